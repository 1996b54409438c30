"""Tokens for devices that speak HTTP, and whose they are."""

import hmac
import time
from typing import Any

import pytest

from nameplate.brokers.gate import Gate
from nameplate.brokers.presence import Presence
from nameplate.brokers.tokens import TOKEN_SECONDS, Tokens
from nameplate.call import Registry
from nameplate.store.device_tokens import MOST_TOKENS
from nameplate.wire.request import Request
from tests.support.account import Account
from tests.support.devices import FieldDevice, Hooks, status
from tests.support.signer import Client


def fields(device: FieldDevice, method: str = "hmacmd5", **more: str) -> dict[str, str]:
    signed = {"productKey": device.product_key, "deviceName": device.name, "clientId": "mylight", **more}
    content = "".join(name + signed[name] for name in sorted(signed))
    sign = hmac.new(device.secret.encode(), content.encode(), method.removeprefix("hmac")).hexdigest()
    return {**signed, "sign": sign, "version": "default", **({} if method == "hmacmd5" else {"signmethod": method})}


def token_of(hooks: Hooks, device: FieldDevice) -> str:
    answer = hooks.post("/auth", fields(device)).json
    assert answer["code"] == 0
    return str(answer["info"]["token"])


def owner(hooks: Hooks, token: str, topic: str) -> Any:
    return hooks.post("/brokers/token", {"token": token, "topic": topic}).json


@pytest.mark.parametrize("method", ["hmacmd5", "hmacsha1"])
def test_a_device_gets_a_token(hooks: Hooks, device: FieldDevice, method: str) -> None:
    stamp = str(time.time_ns() // 1_000_000)  # noqa: TID251 (the device's own clock)
    answer = hooks.post("/auth", fields(device, method, timestamp=stamp))
    assert answer.status == 200
    assert answer.json == {"code": 0, "message": "success", "info": {"token": answer.json["info"]["token"]}}
    assert len(bytes.fromhex(answer.json["info"]["token"])) == 16


def test_whatever_else_is_sent_is_signed_too(hooks: Hooks, device: FieldDevice) -> None:
    assert hooks.post("/auth", fields(device, more="x")).json["code"] == 0
    assert hooks.post("/auth", {**fields(device), "more": "x"}).json["code"] == 20000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "0" * 32}, 20000),
        ({"clientId": "another"}, 20000),
        ({"productKey": "a1BwAGVabcd"}, 20000),
        ({"signmethod": "hmacsha256"}, 10001),
        ({"clientId": "x" * 65}, 10001),
        ({"clientId": None}, 10001),
        ({"deviceName": 7}, 10001),
    ],
)
def test_what_is_wrong_is_said_in_the_vendors_numbers(
    hooks: Hooks, device: FieldDevice, changes: dict[str, Any], code: int
) -> None:
    answer = hooks.post("/auth", {**fields(device), **changes})
    assert (answer.status, answer.json["code"]) == (200, code)
    assert "info" not in answer.json


def test_a_timestamp_is_good_for_fifteen_minutes(hooks: Hooks, device: FieldDevice) -> None:
    now = time.time_ns() // 1_000_000  # noqa: TID251 (the device's own clock)
    codes = [
        hooks.post("/auth", fields(device, timestamp=str(now + minutes * 60_000))).json["code"]
        for minutes in (-16, -14, 14, 16)
    ]
    assert codes == [20000, 0, 0, 20000]


def test_a_token_says_whose_it_is_and_where_it_may_publish(hooks: Hooks, device: FieldDevice) -> None:
    first, second = token_of(hooks, device), token_of(hooks, device)
    own = f"/{device.product_key}/{device.name}/user/update"
    info = {"productKey": device.product_key, "deviceName": device.name}
    for token in (first, second):
        assert owner(hooks, token, own) == {"code": 0, "message": "success", "info": info}
    assert owner(hooks, first, "/a1BwAGVabcd/other/user/update")["code"] == 20000
    assert owner(hooks, "0" * 32, own)["code"] == 20003
    assert owner(hooks, "", own)["code"] == 20002


def test_a_device_is_active_from_its_first_token_on(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    token_of(hooks, device)
    assert status(root, device) == "OFFLINE"
    detail = root.call("QueryDeviceDetail", ProductKey=device.product_key, DeviceName=device.name)["Data"]
    assert detail["UtcActive"]
    token_of(hooks, device)
    assert root.call("QueryDeviceDetail", ProductKey=device.product_key, DeviceName=device.name)["Data"] == detail


def test_of_many_tokens_the_last_are_good(hooks: Hooks, device: FieldDevice) -> None:
    own = f"/{device.product_key}/{device.name}/user/update"
    tokens = [token_of(hooks, device) for _ in range(MOST_TOKENS + 4)]
    assert [owner(hooks, token, own)["code"] for token in tokens] == [20003] * 4 + [0] * MOST_TOKENS


def test_a_token_ends_with_its_device(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    token, own = token_of(hooks, device), f"/{device.product_key}/{device.name}/user/update"
    names = {"ProductKey": device.product_key, "DeviceName": device.name}
    root.call("DisableThing", **names)
    assert owner(hooks, token, own)["code"] == 20000
    assert hooks.post("/auth", fields(device)).json["code"] == 20000
    root.call("EnableThing", **names)
    assert owner(hooks, token, own)["code"] == 0
    root.call("DeleteDevice", **names)
    assert owner(hooks, token, own)["code"] == 20003


def test_a_token_is_good_for_seven_days(registry: Registry) -> None:
    account = Account(registry)
    made = account.call("RegisterDevice", product_key=account.product(), device_name="light1")["Data"]
    device = FieldDevice(made["ProductKey"], "light1", made["DeviceSecret"])
    store, now = registry.store, registry.clock()
    tokens, gate = Tokens(registry), Gate(registry, Presence(store.connections))
    (holder,) = store.applicants.page(device.product_key, "", 1)
    store.device_tokens.add("good", holder, now, now + TOKEN_SECONDS * 1000)
    store.device_tokens.add("over", holder, now, now)
    topic = f"/{device.product_key}/light1/user/update"

    def code(token: str) -> str:
        body = f'{{"token": "{token}", "topic": "{topic}"}}'.encode()
        return tokens.look_up(gate, Request("POST", b"", {}, body)).body.decode()

    assert '"code":0' in code("good")
    assert '"code":20001' in code("over")
    store.device_tokens.add("next", holder, now + 1, now + 2)
    assert '"code":20003' in code("over")
