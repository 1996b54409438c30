"""Devices that fetch their secrets over HTTP."""

import hmac
from typing import Any
from uuid import uuid4

import pytest

from nameplate.brokers.check import Reason
from nameplate.brokers.registration import Claim, Registration
from nameplate.call import Registry
from nameplate.domain.device_auth import Identity, sign
from nameplate.store.applicants import MOST_GENERATIONS
from nameplate.store.schema import device as devices
from tests.support.account import Account
from tests.support.devices import FieldDevice, Hooks, becomes, register
from tests.support.server import Server
from tests.support.signer import Client

METHODS = ("hmacmd5", "hmacsha1", "hmacsha256")
RANDOM = "7y4Jg5xdKCy9W2i"


@pytest.fixture(scope="module")
def enrolling(server: Server) -> tuple[str, str]:
    """A product whose devices may fetch their secrets: its key and its own secret."""
    made = server.root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")
    server.command("access", "dynamic-registration", made["ProductKey"], "--on")
    return made["ProductKey"], made["Data"]["ProductSecret"]


@pytest.fixture
def product(enrolling: tuple[str, str]) -> str:
    return enrolling[0]


@pytest.fixture
def product_secret(enrolling: tuple[str, str]) -> str:
    return enrolling[1]


def fetch(hooks: Hooks, device: FieldDevice, secret: str, method: str = "hmacsha256", **changes: str) -> Any:
    content = f"deviceName{device.name}productKey{device.product_key}random{RANDOM}"
    sign = hmac.new(secret.encode(), content.encode(), method.removeprefix("hmac")).hexdigest()
    fields = {"productKey": device.product_key, "deviceName": device.name, "random": RANDOM}
    answer = hooks.form("/auth/register/device", {**fields, "sign": sign, "signMethod": method, **changes})
    assert answer.status == 200
    return answer.json


@pytest.mark.parametrize("method", METHODS)
def test_a_registered_device_fetches_its_secret_and_connects_with_it(
    hooks: Hooks, device: FieldDevice, product_secret: str, method: str
) -> None:
    answer = fetch(hooks, device, product_secret, method)
    assert (answer["code"], answer["message"], set(answer)) == (200, "success", {"code", "message", "data"})
    names = {"productKey": device.product_key, "deviceName": device.name}
    assert answer["data"] == {**names, "deviceSecret": answer["data"]["deviceSecret"]}
    assert hooks.admits(FieldDevice(device.product_key, device.name, answer["data"]["deviceSecret"]))


def test_the_last_secret_counts(root: Client, hooks: Hooks, device: FieldDevice, product_secret: str) -> None:
    first, last = (fetch(hooks, device, product_secret)["data"]["deviceSecret"] for _ in range(2))
    assert len({device.secret, first, last}) == 3
    assert not hooks.admits(device)
    assert not hooks.admits(FieldDevice(device.product_key, device.name, first))
    assert hooks.admits(FieldDevice(device.product_key, device.name, last))
    detail = root.call("QueryDeviceDetail", ProductKey=device.product_key, DeviceName=device.name)["Data"]
    assert detail["DeviceSecret"] == last


def test_an_imported_secret_stays_what_it_is(root: Client, hooks: Hooks, product: str, product_secret: str) -> None:
    root.call("ImportDevice", ProductKey=product, DeviceName="imported", DeviceSecret="from-the-cloud")
    answer = fetch(hooks, FieldDevice(product, "imported", ""), product_secret)
    assert answer["data"]["deviceSecret"] == "from-the-cloud"


def test_once_active_it_is_refused_until_the_device_is_reset(
    root: Client, hooks: Hooks, device: FieldDevice, product_secret: str
) -> None:
    assert hooks.admits(device)
    assert becomes(root, device, "ONLINE")
    refused = fetch(hooks, device, product_secret)
    assert refused["code"] == 401
    assert "reset it" in refused["message"]
    assert hooks.admits(device)
    root.call("ResetThing", ProductKey=device.product_key, DeviceName=device.name)
    assert fetch(hooks, device, product_secret)["code"] == 200


def test_whoever_asks_right_after_the_first_connection_is_refused(
    root: Client, hooks: Hooks, device: FieldDevice, product_secret: str
) -> None:
    for _ in range(10):
        assert hooks.admits(device)
        assert fetch(hooks, device, product_secret)["code"] == 401
        assert hooks.admits(device)
        device = register(root, device.product_key, f"light-{uuid4().hex[:8]}")


def test_a_device_that_has_had_all_its_secrets_is_told_so(registry: Registry) -> None:
    account = Account(registry)
    made = account.call("RegisterDevice", product_key=account.product(), device_name="light1")["Data"]
    identity = Identity(made["ProductKey"], "light1")
    with registry.store.database.transaction() as connection:
        connection.execute(devices.update().values(generation=MOST_GENERATIONS))
    registration = Registration(registry, lambda _: False)
    product = registry.store.products.find(identity.product_key)
    assert product is not None
    registry.store.device_access.set_registration(product.id, allowed=True)
    claim = Claim(identity, RANDOM, "hmacsha1", "")
    signature = sign(claim.method, product.open_secret(registry.master), claim.content)
    assert registration.issue(claim._replace(signature=signature)).reason is Reason.EXHAUSTED


def test_it_is_refused_unless_the_product_allows_it(server: Server, root: Client, hooks: Hooks) -> None:
    made = root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")
    device, secret = register(root, made["ProductKey"], "light1"), made["Data"]["ProductSecret"]
    assert fetch(hooks, device, secret)["code"] == 401
    server.command("access", "dynamic-registration", device.product_key, "--on")
    assert fetch(hooks, device, secret)["code"] == 200
    server.command("access", "dynamic-registration", device.product_key, "--off")
    assert fetch(hooks, device, secret)["code"] == 401


def test_a_name_that_was_not_registered_or_is_disabled_is_refused(
    root: Client, hooks: Hooks, device: FieldDevice, product_secret: str
) -> None:
    assert fetch(hooks, FieldDevice(device.product_key, "unheard-of", ""), product_secret)["code"] == 6250
    assert fetch(hooks, FieldDevice("a1BwAGVabcd", device.name, ""), product_secret)["code"] == 6250
    root.call("DisableThing", ProductKey=device.product_key, DeviceName=device.name)
    assert fetch(hooks, device, product_secret)["code"] == 401


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "0" * 64}, 401),
        ({"random": "another"}, 401),
        ({"signMethod": "hmacsha512"}, 460),
        ({"deviceName": "x"}, 460),
        ({"productKey": "x"}, 460),
        ({"random": "\0"}, 460),
    ],
)
def test_what_is_wrong_is_said(
    hooks: Hooks, device: FieldDevice, product_secret: str, changes: dict[str, str], code: int
) -> None:
    answer = fetch(hooks, device, product_secret, **changes)
    assert answer["code"] == code
    assert answer["message"]
    assert "data" not in answer


def test_nothing_of_it_is_in_the_log(server: Server, hooks: Hooks, device: FieldDevice, product_secret: str) -> None:
    secret = fetch(hooks, device, product_secret)["data"]["deviceSecret"]
    assert secret not in server.log
    assert product_secret not in server.log
