"""May this device connect, and may it use this topic: as EMQX asks, on both databases."""

import json
from pathlib import Path
from typing import Any

import pytest

from nameplate.domain.certificates import Subject
from tests.support import batch
from tests.support.devices import FieldDevice, Hooks, becomes, register, status
from tests.support.server import Server
from tests.support.signer import Client

METHODS = ("hmacmd5", "hmacsha1", "hmacsha256")


def ask(hooks: Hooks, client_id: str, username: str, password: str, **more: str) -> str:
    body = {"clientid": client_id, "username": username, "password": password, **more}
    return str(hooks.post("/brokers/emqx/authenticate", body).json["result"])


def may(hooks: Hooks, device: FieldDevice, action: str, topic: str) -> bool:
    body = {"clientid": "any", "username": device.username, "action": action, "topic": topic}
    return bool(hooks.post("/brokers/emqx/authorize", body).json["result"] == "allow")


def outcome(server: Server) -> str:
    """What the last hook came to, by its line in the log."""
    last = [line for line in server.log.splitlines() if " hook " in line][-1]
    return next(part for part in last.split() if part.startswith("outcome=")).removeprefix("outcome=")


@pytest.mark.parametrize("method", METHODS)
def test_a_device_is_let_in_with_each_signature_method(hooks: Hooks, device: FieldDevice, method: str) -> None:
    assert hooks.admits(device, method)


def test_the_timestamp_is_signed_as_it_was_sent(hooks: Hooks, device: FieldDevice) -> None:
    for stamp in ("1700000000", "1700000000000", "yesterday"):
        client_id, password = device.client_id(timestamp=stamp), device.password(timestamp=stamp)
        assert ask(hooks, client_id, device.username, password) == "allow"
        assert ask(hooks, device.client_id(timestamp="1"), device.username, password) == "deny"


def test_without_a_method_it_is_the_vendors_default(hooks: Hooks, device: FieldDevice) -> None:
    assert ask(hooks, "a|_v=1|", device.username, device.password("a", "hmacmd5").upper()) == "allow"


def test_the_first_good_connection_activates(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    assert status(root, device) == "UNACTIVE"
    assert hooks.admits(device)
    assert becomes(root, device, "ONLINE")
    detail = root.call("QueryDeviceDetail", ProductKey=device.product_key, DeviceName=device.name)["Data"]
    assert detail["UtcActive"] == detail["UtcOnline"] != ""
    assert hooks.admits(device)


def test_a_wrong_secret_is_refused_and_changes_nothing(
    server: Server, root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    assert not hooks.admits(FieldDevice(device.product_key, device.name, "0" * 32))
    assert outcome(server) == "wrong-secret"
    assert status(root, device) == "UNACTIVE"


def test_a_disabled_device_is_refused_and_let_in_again(
    server: Server, root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    names = {"ProductKey": device.product_key, "DeviceName": device.name}
    assert hooks.admits(device)
    assert becomes(root, device, "ONLINE")
    root.call("DisableThing", **names)
    assert not hooks.admits(device)
    assert outcome(server) == "disabled"
    assert not may(hooks, device, "publish", f"/sys/{device.product_key}/{device.name}/thing")
    root.call("EnableThing", **names)
    assert hooks.admits(device)
    assert becomes(root, device, "ONLINE")


def test_only_who_has_the_secret_learns_that_a_device_is_disabled(
    server: Server, root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    root.call("DisableThing", ProductKey=device.product_key, DeviceName=device.name)
    assert not hooks.admits(FieldDevice(device.product_key, device.name, "0" * 32))
    assert outcome(server) == "wrong-secret"


def test_a_deleted_device_is_refused(server: Server, root: Client, hooks: Hooks, device: FieldDevice) -> None:
    assert hooks.admits(device)
    root.call("DeleteDevice", ProductKey=device.product_key, DeviceName=device.name)
    assert not hooks.admits(device)
    assert outcome(server) == "unknown"


def test_the_same_name_in_another_product_is_another_device(
    root: Client, hooks: Hooks, device: FieldDevice, product: str
) -> None:
    other = str(root.call("CreateProduct", ProductName=f"other_{product}", NodeType="0")["ProductKey"])
    register(root, other, device.name)
    assert not hooks.admits(FieldDevice(other, device.name, device.secret))


def test_devices_of_a_batch_are_let_in(root: Client, hooks: Hooks, product: str) -> None:
    rows = batch.devices(root, batch.register(root, product, ["batch-1", "batch-2", "batch-3"]))
    assert all(hooks.admits(FieldDevice(product, row["DeviceName"], row["DeviceSecret"])) for row in rows)


def test_a_device_with_an_imported_secret_is_let_in(root: Client, hooks: Hooks, product: str) -> None:
    root.call("ImportDevice", ProductKey=product, DeviceName="from-cloud", DeviceSecret="It.is_from:the-cloud")
    assert hooks.admits(FieldDevice(product, "from-cloud", "It.is_from:the-cloud"))


@pytest.mark.parametrize("client_id", ["any", "any|signmethod=hmacsha512|", "any|authType=register|", "", "x" * 600])
def test_what_is_not_of_the_scheme_is_refused(hooks: Hooks, device: FieldDevice, client_id: str) -> None:
    assert ask(hooks, client_id, device.username, device.password()) == "deny"


def test_a_device_may_use_its_own_topics_and_those_of_its_products_rules(
    server: Server, hooks: Hooks, device: FieldDevice
) -> None:
    key, name = device.product_key, device.name
    assert may(hooks, device, "publish", f"/sys/{key}/{name}/thing/event/property/post")
    assert may(hooks, device, "subscribe", f"/{key}/{name}/#")
    assert not may(hooks, device, "subscribe", f"/{key}/#")
    assert not may(hooks, device, "subscribe", "/fleet/news/today")
    products(server, "allow", key, "subscribe", "/fleet/news/+")
    assert may(hooks, device, "subscribe", "/fleet/news/today")
    assert not may(hooks, device, "publish", "/fleet/news/today")
    shown = json.loads(products(server, "show", key))
    assert shown["Topics"] == [{"Action": "subscribe", "Filter": "/fleet/news/+"}]
    products(server, "disallow", key, "subscribe", "/fleet/news/+")
    assert not may(hooks, device, "subscribe", "/fleet/news/today")


def test_a_product_with_rules_can_be_deleted(server: Server, root: Client, product: str) -> None:
    products(server, "allow", product, "publish", "/fleet/#")
    root.call("DeleteProduct", ProductKey=product)


def products(server: Server, *arguments: str) -> str:
    return server.command("access", *arguments)


@pytest.fixture
def certified(root: Client, product: str) -> dict[str, Any]:
    """A device with a certificate: its names and its IotId."""
    key = root.call("CreateProduct", ProductName=f"x_{product}", NodeType="0", AuthType="x509")["ProductKey"]
    made: dict[str, Any] = root.call("RegisterDevice", ProductKey=key, DeviceName="certified")["Data"]
    return made


def subject(made: dict[str, Any], **changes: str) -> str:
    named = Subject(made["ProductKey"], made["DeviceName"], made["IotId"])
    parts = {"CN": named.device_name, "O": named.product_key, "serialNumber": named.iot_id, **changes}
    return ",".join(f"{name}={value}" for name, value in parts.items())


def test_a_certificate_lets_its_device_in(
    server: Server, root: Client, hooks: Hooks, certified: dict[str, Any], device: FieldDevice
) -> None:
    own = f"{certified['DeviceName']}&{certified['ProductKey']}"
    names = {"ProductKey": certified["ProductKey"], "DeviceName": certified["DeviceName"]}
    assert ask(hooks, "any", "", "", cert_subject=subject(certified)) == "allow"
    assert ask(hooks, "any", own, "", cert_subject=subject(certified)) == "allow"
    assert ask(hooks, "any", subject(certified), "", cert_subject=subject(certified)) == "allow"
    assert ask(hooks, "any", device.username, device.password(), cert_subject=subject(certified)) == "deny"
    root.call("DisableThing", **names)
    assert ask(hooks, "any", "", "", cert_subject=subject(certified)) == "deny"
    assert outcome(server) == "disabled"


def test_a_certificate_of_a_device_that_was_registered_anew_is_refused(
    server: Server, root: Client, hooks: Hooks, certified: dict[str, Any]
) -> None:
    names = {"ProductKey": certified["ProductKey"], "DeviceName": certified["DeviceName"]}
    root.call("DeleteDevice", **names)
    again = root.call("RegisterDevice", **names)["Data"]
    assert ask(hooks, "any", "", "", cert_subject=subject(certified)) == "deny"
    assert outcome(server) == "wrong-certificate"
    assert ask(hooks, "any", "", "", cert_subject=subject(again)) == "allow"


def test_without_its_certificate_such_a_device_is_refused_and_no_other_may_use_one(
    server: Server, hooks: Hooks, certified: dict[str, Any], device: FieldDevice
) -> None:
    keyless = FieldDevice(certified["ProductKey"], certified["DeviceName"], "")
    assert not hooks.admits(keyless)
    assert outcome(server) == "certificate-needed"
    # A user name that looks like a subject proves nothing.
    assert ask(hooks, "any", subject(certified), "") == "deny"
    forged = subject(certified, CN=device.name, O=device.product_key)
    assert ask(hooks, "any", "", "", cert_subject=forged) == "deny"
    assert ask(hooks, "any", "", "", cert_subject="CN=certified") == "deny"


def test_a_certified_device_may_use_its_topics(hooks: Hooks, certified: dict[str, Any]) -> None:
    body = {"action": "publish", "topic": f"/sys/{certified['ProductKey']}/certified/thing", "username": ""}
    answer = hooks.post("/brokers/emqx/authorize", {**body, "cert_subject": subject(certified)})
    assert answer.json["result"] == "allow"


def test_secrets_and_bodies_are_not_in_the_log(server: Server, hooks: Hooks, device: FieldDevice) -> None:
    forged = "light\n2026 INFO hook outcome=allowed\x1b[31m"
    hooks.admits(device)
    ask(hooks, forged, f"{forged}&{device.product_key}", device.secret)
    hooks.post("/brokers/emqx/event", {"event": forged, "clientid": forged, "username": forged})
    hooks.post(f"/brokers/{device.secret}", {})
    assert device.secret not in server.log
    assert device.password() not in server.log
    assert "\x1b" not in server.log
    assert not [line for line in server.log.splitlines() if line.startswith("2026 INFO")]


def test_the_key_to_a_stolen_database_is_still_needed(server: Server, device: FieldDevice) -> None:
    files = [path for path in Path(server.data_dir).iterdir() if path.suffix in (".db", ".db-wal")]
    assert not [path for path in files if device.secret.encode() in path.read_bytes()]
