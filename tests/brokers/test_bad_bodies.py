"""Whatever is sent to a hook is answered, in its broker's words or with a clear refusal, and breaks nothing."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nameplate.brokers.hooks import _HOOKS as HOOKS
from tests.support.devices import FieldDevice, Hooks, Reply, register
from tests.support.server import Server

PATHS: Final = sorted({*HOOKS, "/auth", "/brokers/token"})
FORM: Final = "application/x-www-form-urlencoded"
NAMES: Final = [
    "clientid", "client_id", "username", "password", "topic", "topics", "action", "event", "cert_subject", "subject",
    "peername", "peer", "address", "connected", "permission", "resource", "name", "routing_key", "access", "conn_ack",
    "productKey", "deviceName", "random", "sign", "signMethod", "signmethod", "clientId", "timestamp", "token",
    "is_secure", "vhost", "peer_addr",
]  # fmt: skip
LIKELY: Final = [
    "light1&a1BwAGVabcd", "any|signmethod=hmacsha1|", "a|authType=register,signmethod=hmacmd5|", "publish", "subscribe",
    "client.connected", "client.disconnected", "read", "write", "queue", "exchange", "amq.topic", "1", "2",
    "light1", "/sys/a1BwAGVabcd/light1/#", "CN=light1,O=a1BwAGVabcd,serialNumber=x", "\n2026 INFO x",
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(LIKELY), st.text(max_size=40), st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=3))
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12)
FILTERS: Final = ["#", "+/#", "+/x", "$SYS/#", "$SYS/x", "$share/g", "$share/g/#", "/fleet/1", "{own}/a", "{own}/#"]
HOOK_NAMES: Final = [
    "auth_on_register",
    "auth_on_publish_m5",
    "auth_on_subscribe",
    "on_register",
    "on_client_gone",
    "x",
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Hooks, FieldDevice]]:
    """A server of this module's own, whose log is looked at in the end."""
    server = Server(tmp_path_factory.mktemp("fuzzed") / "data", log_level="debug").start()
    root = server.root
    product = str(root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"])
    device = register(root, product, "light1")
    for rule in ("#", "+/x", "/fleet/#"):
        server.command("access", "allow", product, "subscribe", rule)
    with Hooks(server.port) as hooks:
        yield server, hooks, device
    assert server.stop() == 0
    assert "Traceback" not in server.log
    assert device.secret not in server.log
    for line in server.log.splitlines():
        assert line[:5] == "2026-" or line[:2] == "20", line
        assert line.isprintable(), line
    assert "2026 INFO x" not in server.log


def is_answered(path: str, status: int, text: str) -> None:
    assert status in (200, 400, 403), (path, status, text)
    assert status != 403 or path.startswith("/brokers/nanomq/")
    if path.startswith("/brokers/rabbitmq") and status == 200:
        assert text == "deny"
    else:
        body = json.loads(text)
        assert body.get("result") not in ("allow", "ok")
        assert body.get("allow") is not True or path.endswith("event")
        assert status != 400 or body["Code"] == "InvalidHookBody"


def is_refused(path: str, answer: Reply, code: str) -> None:
    """Devices are told as the vendor tells them, brokers as everybody else."""
    if path.startswith("/auth"):
        assert answer.json == {"code": answer.status, "message": answer.json["message"]}
    else:
        assert answer.json["Code"] == code


@settings(max_examples=200)
@given(path=st.sampled_from(PATHS), fields=OBJECTS, hook=st.sampled_from(HOOK_NAMES))
def test_any_object_is_answered(asked: Any, path: str, fields: dict[str, Any], hook: str) -> None:
    _, hooks, _ = asked
    answer = hooks.post(path, fields, vernemq_hook=hook)
    is_answered(path, answer.status, answer.text)


@settings(max_examples=200)
@given(
    path=st.sampled_from(PATHS), fields=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(LIKELY), max_size=12)
)
def test_any_form_is_answered(asked: Any, path: str, fields: dict[str, str]) -> None:
    _, hooks, _ = asked
    answer = hooks.form(path, fields, vernemq_hook="auth_on_register")
    is_answered(path, answer.status, answer.text)


@settings(max_examples=100)
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=300), kind=st.sampled_from([FORM, "application/json", "x"]))
def test_any_bytes_are_answered(asked: Any, path: str, body: bytes, kind: str) -> None:
    _, hooks, _ = asked
    answer = hooks.send(path, body, kind, vernemq_hook="auth_on_publish")
    is_answered(path, answer.status, answer.text)


@settings(max_examples=150)
@given(filters=st.lists(st.sampled_from(FILTERS) | st.text("/+#$ab", max_size=8), min_size=1, max_size=4))
def test_what_is_refused_alone_is_refused_together(asked: Any, filters: list[str]) -> None:
    """Whatever a broker asks at once, each filter is looked at by itself."""
    _, hooks, device = asked
    names = {"clientid": "a", "client_id": "a", "username": device.username}
    filters = [one.replace("{own}", f"/{device.product_key}/{device.name}") for one in filters]
    alone = []
    for one in filters:
        answer = hooks.post("/brokers/emqx/authorize", {**names, "action": "subscribe", "topic": one})
        alone.append(answer.status == 200 and answer.json["result"] == "allow")
    together = {**names, "topics": [{"topic": one, "qos": 1} for one in filters]}
    five = hooks.post("/brokers/vernemq", together, vernemq_hook="auth_on_subscribe_m5").json
    assert (five.get("result") == "ok") == all(alone)
    three = hooks.post("/brokers/vernemq", together, vernemq_hook="auth_on_subscribe").json
    granted = [one["qos"] == 1 for one in three["topics"]] if "topics" in three else [three.get("result") == "ok"]
    assert granted == (alone if "topics" in three else [all(alone)])
    joined = hooks.post("/brokers/nanomq/authorize", {**names, "access": "1", "topic": ",".join(filters)})
    assert joined.status != 200 or all(alone)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_too_large_is_refused_before_it_is_kept(asked: Any, path: str) -> None:
    server, _, _ = asked
    with Hooks(server.port) as hooks:
        answer = hooks.send(path, b"x" * (1024 * 1024 + 1), "application/json")
    assert answer.status == 413
    is_refused(path, answer, "RequestEntityTooLarge")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_hook_is_a_post(asked: Any, path: str, method: str) -> None:
    _, hooks, _ = asked
    answer = hooks.send(path, b"", "application/json", method)
    assert answer.status == 404
    is_refused(path, answer, "InvalidHook.NotFound")


def test_there_is_no_other_hook(asked: Any) -> None:
    _, hooks, _ = asked
    for path in ("/brokers/", "/brokers/emqx", "/brokers/emqx/authenticate/", "/auth/", "/authority", "/brokers/%0a"):
        answer = hooks.post(path, {})
        assert (answer.status, answer.json["Code"]) == (404, "InvalidHook.NotFound")


def test_deep_nesting_and_repeated_fields_are_refused(asked: Any) -> None:
    _, hooks, _ = asked
    deep = b'{"clientid":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert hooks.send("/brokers/emqx/authenticate", deep, "application/json").status == 400
    twice = hooks.send("/brokers/rabbitmq/user", b"username=a&username=b", FORM)
    assert "more than once" in twice.json["Message"]
    many = hooks.send("/brokers/rabbitmq/user", b"&".join(b"a%d=1" % number for number in range(200)), FORM)
    assert many.status == 400
