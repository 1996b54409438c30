"""Each broker's own words: what it asks and what it wants to hear."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.devices import FieldDevice, Hooks, becomes, register, status
from tests.support.server import Server
from tests.support.signer import Client


def rabbitmq(hooks: Hooks, path: str, device: FieldDevice, **fields: str) -> str:
    common = {"username": device.username, "vhost": "/", "client_id": device.client_id()}
    answer = hooks.form(f"/brokers/rabbitmq/{path}", {**common, **fields})
    assert answer.status == 200
    return answer.text


def test_rabbitmq_lets_a_device_in_and_to_its_own_session_and_topics(hooks: Hooks, device: FieldDevice) -> None:
    own = f".sys.{device.product_key}.{device.name}"
    queue = f"mqtt-subscription-{device.client_id()}qos1"
    topics = {"resource": "topic", "name": "amq.topic"}
    assert rabbitmq(hooks, "user", device, password=device.password()) == "allow"
    assert rabbitmq(hooks, "vhost", device, ip="127.0.0.1") == "allow"
    for permission in ("configure", "read", "write"):
        assert rabbitmq(hooks, "resource", device, resource="queue", name=queue, permission=permission) == "allow"
    for permission in ("read", "write"):
        exchange = {"resource": "exchange", "name": "amq.topic", "permission": permission}
        assert rabbitmq(hooks, "resource", device, **exchange) == "allow"
        assert rabbitmq(hooks, "topic", device, **topics, permission=permission, routing_key=f"{own}.thing") == "allow"
    assert rabbitmq(hooks, "topic", device, **topics, permission="read", routing_key=f"{own}.#") == "allow"


def test_rabbitmq_keeps_a_device_from_everything_else(hooks: Hooks, device: FieldDevice) -> None:
    read = {"resource": "topic", "name": "amq.topic", "permission": "read"}
    assert rabbitmq(hooks, "user", device, password="0" * 64) == "deny"
    assert rabbitmq(hooks, "user", device, password=device.password(), client_id="") == "deny"
    assert rabbitmq(hooks, "topic", device, **read, routing_key=f".sys.{device.product_key}.*.thing") == "deny"
    assert rabbitmq(hooks, "topic", device, **{**read, "name": "amq.direct"}, routing_key="#") == "deny"
    assert rabbitmq(hooks, "topic", device, **{**read, "permission": "configure"}, routing_key="#") == "deny"
    for kind, name in (("exchange", "amq.direct"), ("queue", "mqtt-subscription-otherqos1"), ("queue", "orders")):
        assert rabbitmq(hooks, "resource", device, resource=kind, name=name, permission="read") == "deny"
    nobody = FieldDevice(device.product_key, "nobody", "")
    for path in ("vhost", "resource", "user"):
        assert rabbitmq(hooks, path, nobody, resource="exchange", name="amq.topic", permission="read") == "deny"


def test_rabbitmq_cannot_tell_a_dot_in_a_name_from_a_level(root: Client, hooks: Hooks, product: str) -> None:
    dotted = register(root, product, "light.1")
    assert rabbitmq(hooks, "user", dotted, password=dotted.password()) == "deny"
    assert hooks.admits(dotted)


def vernemq(hooks: Hooks, hook: str, **fields: Any) -> Any:
    answer = hooks.post("/brokers/vernemq", {"mountpoint": "", **fields}, vernemq_hook=hook)
    assert answer.status == 200, answer
    return answer.json


@pytest.mark.parametrize("version", ["", "_m5"])
def test_vernemq_registers_publishes_and_subscribes(hooks: Hooks, device: FieldDevice, version: str) -> None:
    names = {"client_id": device.client_id(), "username": device.username}
    peer = {"peer_addr": "10.0.0.1", "peer_port": 8888, "clean_session": True}
    hook = f"auth_on_register{version}"
    assert vernemq(hooks, hook, **names, **peer, password=device.password()) == {"result": "ok"}
    assert vernemq(hooks, hook, **names, **peer, password="x") == {"result": {"error": "invalid_credentials"}}
    own, other = f"/{device.product_key}/{device.name}/user/get", f"/{device.product_key}/another/user/get"
    message = {**names, "qos": 1, "payload": "aGVsbG8=", "retain": False}
    assert vernemq(hooks, f"auth_on_publish{version}", **message, topic=own) == {"result": "ok"}
    refused = {"result": {"error": "not_authorized"}}
    assert vernemq(hooks, f"auth_on_publish{version}", **message, topic=other) == refused
    topics = [{"topic": own, "qos": 1}, {"topic": other, "qos": 0}]
    subscribe = f"auth_on_subscribe{version}"
    granted = [{"topic": own, "qos": 1}, {"topic": other, "qos": 128}]
    some = refused if version else {"result": "ok", "topics": granted}
    assert vernemq(hooks, subscribe, **names, topics=topics) == some
    assert vernemq(hooks, subscribe, **names, topics=topics[:1] * 2) == {"result": "ok"}
    assert vernemq(hooks, subscribe, **names, topics=topics[:1]) == {"result": "ok"}
    assert vernemq(hooks, subscribe, **names, topics=topics[1:]) == refused


def test_no_subscription_has_filters_without_end(hooks: Hooks, device: FieldDevice) -> None:
    names = {"client_id": "any", "clientid": "any", "username": device.username, "access": "1"}
    filters = ["/x"] * 257
    asked = {**names, "topics": [{"topic": one, "qos": 0} for one in filters]}
    answers = [
        hooks.post("/brokers/vernemq", asked, vernemq_hook="auth_on_subscribe"),
        hooks.post("/brokers/nanomq/authorize", {**names, "topic": ",".join(filters)}),
    ]
    for answer in answers:
        assert answer.status == 400
        assert "more than 256 filters" in answer.json["Message"]


def test_vernemq_tells_who_has_gone_by_the_client_id_alone(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    names = {"client_id": device.client_id(device.name), "username": device.username}
    assert vernemq(hooks, "on_register", **names, peer_addr="10.0.0.1", peer_port=8888) == {}
    assert becomes(root, device, "ONLINE")
    assert vernemq(hooks, "on_client_gone", client_id="another") == {}
    assert vernemq(hooks, "on_client_gone", client_id=names["client_id"]) == {}
    assert becomes(root, device, "OFFLINE")


@pytest.mark.parametrize("version", ["", "_m5"])
@pytest.mark.parametrize("hook", ["auth_on_publish", "auth_on_subscribe"])
def test_vernemq_device_that_took_its_session_over_is_online_as_soon_as_it_uses_a_topic(
    root: Client, hooks: Hooks, device: FieldDevice, hook: str, version: str
) -> None:
    names = {"client_id": device.client_id(device.name), "username": device.username}
    own, other = f"/{device.product_key}/{device.name}/a", "/another"
    for _ in range(2):
        assert vernemq(hooks, f"on_register{version}", **names, peer_addr="10.0.0.1", peer_port=8888) == {}
        assert becomes(root, device, "ONLINE")
    assert vernemq(hooks, "on_client_gone", client_id=names["client_id"]) == {}
    assert becomes(root, device, "OFFLINE")
    vernemq(hooks, f"{hook}{version}", **names, topic=other, topics=[{"topic": other, "qos": 0}])
    time.sleep(0.2)
    assert status(root, device) == "OFFLINE"
    vernemq(hooks, f"{hook}{version}", **names, topic=own, topics=[{"topic": own, "qos": 0}])
    assert becomes(root, device, "ONLINE")
    assert vernemq(hooks, "on_client_gone", client_id=names["client_id"]) == {}
    assert becomes(root, device, "OFFLINE")


def test_who_goes_at_once_has_gone(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    names = {"client_id": device.client_id(device.name), "username": device.username}
    for _ in range(5):
        assert vernemq(hooks, "on_register", **names, peer_addr="10.0.0.1", peer_port=8888) == {}
        assert vernemq(hooks, "on_client_gone", client_id=names["client_id"]) == {}
        assert becomes(root, device, "OFFLINE", 5)


def test_nanomq_reads_the_status(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    names = {"clientid": device.client_id(), "username": device.username}
    own = f"/sys/{device.product_key}/{device.name}/thing"
    assert hooks.post("/brokers/nanomq/authenticate", {**names, "password": device.password()}).status == 200
    assert hooks.form("/brokers/nanomq/authenticate", {**names, "password": device.password()}).status == 200
    assert hooks.post("/brokers/nanomq/authenticate", {**names, "password": "x"}).status == 403
    for access in ("1", "2"):
        assert hooks.post("/brokers/nanomq/authorize", {**names, "access": access, "topic": own}).status == 200
    asked = {"#": 403, f"{own},{own}/#": 200, f"{own},/#": 403, f"/#,{own}": 403, f"{own},": 403}
    for topic, expected in asked.items():
        assert hooks.post("/brokers/nanomq/authorize", {**names, "access": "1", "topic": topic}).status == expected
    assert hooks.post("/brokers/nanomq/authorize", {**names, "access": "2", "topic": f"{own}/a,b"}).status == 200
    assert hooks.post("/brokers/nanomq/authorize", {**names, "access": "3", "topic": own}).status == 400
    assert becomes(root, device, "ONLINE")
    connack = {**names, "action": "client_connack", "conn_ack": "success", "keepalive": 60, "proto_ver": 4}
    assert hooks.post("/brokers/nanomq/event", connack).status == 200
    gone = {**names, "action": "client_disconnected", "reason": "normal"}
    assert hooks.post("/brokers/nanomq/event", gone).status == 200
    assert becomes(root, device, "OFFLINE")


def emqx_event(hooks: Hooks, device: FieldDevice, event: str, peer: str) -> None:
    body = {"event": f"client.{event}", "clientid": device.client_id(), "username": device.username, "peername": peer}
    assert hooks.post("/brokers/emqx/event", body).status == 200


def test_emqx_tells_of_the_end_of_a_connection_after_the_next_has_begun(
    root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    emqx_event(hooks, device, "connected", "10.0.0.1:1000")
    assert becomes(root, device, "ONLINE")
    emqx_event(hooks, device, "connected", "10.0.0.1:1001")
    emqx_event(hooks, device, "disconnected", "10.0.0.1:1000")
    time.sleep(0.2)
    assert status(root, device) == "ONLINE"
    emqx_event(hooks, device, "disconnected", "10.0.0.1:1001")
    assert becomes(root, device, "OFFLINE")
    emqx_event(hooks, device, "connected", "10.0.0.2:1")
    assert becomes(root, device, "ONLINE")
    emqx_event(hooks, device, "subscribed", "10.0.0.2:1")


def test_emqx_may_take_the_user_name_from_the_certificate(root: Client, hooks: Hooks, product: str) -> None:
    key = str(root.call("CreateProduct", ProductName=f"x_{product}", NodeType="0", AuthType="x509")["ProductKey"])
    made = root.call("RegisterDevice", ProductKey=key, DeviceName="certified")["Data"]
    subject = f"serialNumber={made['IotId']},O={key},CN=certified"
    names = {"clientid": "any", "username": subject, "cert_subject": subject}
    device = FieldDevice(key, "certified", "")
    assert hooks.post("/brokers/emqx/authenticate", names).json["result"] == "allow"
    for what, expected in (("connected", "ONLINE"), ("disconnected", "OFFLINE")):
        told = {"event": f"client.{what}", "clientid": "any", "username": subject, "peername": "10.0.0.1:1"}
        assert hooks.post("/brokers/emqx/event", told).status == 200
        assert becomes(root, device, expected)


def test_a_disabled_device_that_disconnects_stays_disabled(root: Client, hooks: Hooks, device: FieldDevice) -> None:
    emqx_event(hooks, device, "connected", "10.0.0.1:1000")
    assert becomes(root, device, "ONLINE")
    root.call("DisableThing", ProductKey=device.product_key, DeviceName=device.name)
    emqx_event(hooks, device, "disconnected", "10.0.0.1:1000")
    time.sleep(0.2)
    assert status(root, device) == "DISABLE"


def clones(server: Server) -> int:
    with Hooks(server.port) as asking:
        text = asking.send("/metrics", b"", "text/plain", "GET").text
    line = next(line for line in text.splitlines() if line.startswith("nameplate_clones_total "))
    return int(float(line.split()[1]))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_live_connections_of_one_identity_from_two_addresses_raise_the_alarm(
    server: Server, hooks: Hooks, device: FieldDevice
) -> None:
    before = clones(server)
    emqx_event(hooks, device, "connected", "10.0.0.1:1000")
    emqx_event(hooks, device, "connected", "10.0.0.1:1001")
    emqx_event(hooks, device, "connected", "[fd00::2]:1000")
    wait_for(lambda: clones(server) > before)
    assert clones(server) == before + 1
    (line,) = [line for line in server.log.splitlines() if " clone " in line and device.name in line]
    assert " WARNING clone " in line
    assert " address=fd00::2 other_address=10.0.0.1 " in line


def test_a_device_that_moves_after_it_has_disconnected_is_no_clone(
    server: Server, root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    before = clones(server)
    emqx_event(hooks, device, "connected", "10.0.0.1:1000")
    emqx_event(hooks, device, "disconnected", "10.0.0.1:1000")
    emqx_event(hooks, device, "connected", "10.0.0.2:1000")
    assert becomes(root, device, "ONLINE")
    assert clones(server) == before


def test_after_a_crash_of_the_broker_every_device_is_taken_for_disconnected(
    server: Server, root: Client, hooks: Hooks, device: FieldDevice
) -> None:
    emqx_event(hooks, device, "connected", "10.0.0.1:1000")
    assert becomes(root, device, "ONLINE")
    assert "OFFLINE now" in server.command("brokers", "forget-connections")
    assert status(root, device) == "OFFLINE"
