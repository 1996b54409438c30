"""What the plugin for amqtt asks (`amqtt_plugin`, docs/brokers/amqtt.md); other brokers' own plugins may, too."""

from typing import Any, Final

import orjson

from nameplate.brokers.answers import Answer, as_json
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Credentials, Reason, Verdict
from nameplate.brokers.gate import Gate
from nameplate.brokers.registration import Issued
from nameplate.domain.topics import Action
from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.wire.request import Request

_ACTIONS: Final = {action.value: action for action in Action}


def connect(gate: Gate, request: Request) -> Answer:
    """Whether a client may connect; `reason` says why not."""
    return _answer(gate.admit(_credentials(request)))


def register(gate: Gate, request: Request) -> Answer:
    """Answer a CONNECT that asks for the device's secret: `payload` is what to publish to `/ext/register`."""
    fields = read_object(request)
    if fields.get("is_secure") is not True:
        return _answer(Verdict(Reason.INSECURE))
    issued = gate.registration.by_connect(_credentials(request))
    answer: dict[str, Any] = {"allow": issued.reason is Reason.ALLOWED, "reason": issued.reason.value}
    if issued.secret:
        answer["payload"] = _payload(issued)
    return Answer(orjson.dumps(answer), "application/json", issued.reason.value, issued.identity)


def topic(gate: Gate, request: Request) -> Answer:
    """Whether a client may publish or subscribe."""
    fields = read_object(request)
    action = _ACTIONS.get(text(fields, "action"))
    if action is None:
        raise HOOK_BODY_NOT_VALID(problem="action is neither publish nor subscribe")
    return _answer(gate.topic(text(fields, "username"), action, text(fields, "topic")))


def event(gate: Gate, request: Request) -> Answer:
    """Take note that a client has connected, or (with `connected` false) disconnected."""
    fields = read_object(request)
    username, client_id = text(fields, "username"), text(fields, "client_id")
    peer = optional(fields, "peer")
    if fields.get("connected") is True:
        return _answer(gate.connected(username, client_id, optional(fields, "address"), peer))
    return _answer(gate.disconnected(username, client_id, peer))


def _credentials(request: Request) -> Credentials:
    fields = read_object(request)
    names = ("username", "password", "subject")
    return Credentials(text(fields, "client_id"), *(optional(fields, name) for name in names))


def _payload(issued: Issued) -> str:
    assert issued.identity is not None
    key, name = issued.identity
    return orjson.dumps({"productKey": key, "deviceName": name, "deviceSecret": issued.secret}).decode()


def _answer(verdict: Verdict) -> Answer:
    return as_json(verdict, {"allow": verdict.is_allowed, "reason": verdict.reason.value})
