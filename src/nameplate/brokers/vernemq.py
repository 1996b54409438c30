"""VerneMQ: its webhooks, told apart by a header (docs/brokers/vernemq.md)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from nameplate.brokers.answers import Answer, as_json
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Credentials, Reason, Verdict
from nameplate.brokers.gate import Gate
from nameplate.domain.topics import MOST_FILTERS, Action
from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.wire.request import Request

_REFUSED_QOS: Final = 128


def hook(gate: Gate, request: Request) -> Answer:
    """Answer any of VerneMQ's hooks; those of MQTT 5 ask the same, all but one."""
    name = request.headers.get("vernemq-hook", "")
    answer = _HOOKS.get(name) or _HOOKS.get(name.removesuffix("_m5"))
    if answer is None:
        raise HOOK_BODY_NOT_VALID(problem="the header vernemq-hook names no hook that is answered here")
    return answer(gate, read_object(request))


def _register(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    credentials = Credentials(text(fields, "client_id"), optional(fields, "username"), optional(fields, "password"))
    return _answer(gate.admit(credentials))


def _publish(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    verdict = gate.topic(optional(fields, "username"), Action.PUBLISH, text(fields, "topic"))
    _hear(gate, fields, [verdict])
    return _answer(verdict)


def _subscribe(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    """Allow each filter for itself: one that is refused gets a QoS that says so."""
    asked, verdicts, refused = _filters(gate, fields)
    if len(refused) in (0, len(asked)):
        return _answer(verdicts[0])
    granted = [
        one if verdict.is_allowed else {**one, "qos": _REFUSED_QOS}
        for one, verdict in zip(asked, verdicts, strict=True)
    ]
    return as_json(refused[0], {"result": "ok", "topics": granted})


def _subscribe_m5(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    """Allow all filters or none: VerneMQ subscribes to a filter that comes back with QoS 135, its word for refused."""
    _, verdicts, refused = _filters(gate, fields)
    return _answer(refused[0] if refused else verdicts[0])


def _filters(gate: Gate, fields: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Verdict], list[Verdict]]:
    """Return the filters that are asked for, a verdict on each, and those that refuse."""
    asked = fields.get("topics")
    if not isinstance(asked, list) or not asked or not all(isinstance(one, dict) for one in asked):
        raise HOOK_BODY_NOT_VALID(problem="topics is not a list of objects")
    if len(asked) > MOST_FILTERS:
        raise HOOK_BODY_NOT_VALID(problem=f"topics has more than {MOST_FILTERS} filters")
    topics = [text(one, "topic") for one in asked]
    verdicts = gate.topics(optional(fields, "username"), Action.SUBSCRIBE, topics)
    _hear(gate, fields, verdicts)
    return asked, verdicts, [verdict for verdict in verdicts if not verdict.is_allowed]


def _hear(gate: Gate, fields: Mapping[str, Any], verdicts: Iterable[Verdict]) -> None:
    # When a session is taken over, the end of the old one may be told after the new one has begun, by a client id
    # alone: what the device does next shows that it is there.
    device = next((verdict.device for verdict in verdicts if verdict.is_allowed), None)
    if device is not None:
        gate.heard(device, optional(fields, "username"), text(fields, "client_id"))


def _connected(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    client_id, address = text(fields, "client_id"), optional(fields, "peer_addr")
    return as_json(gate.connected(optional(fields, "username"), client_id, address), {})


def _disconnected(gate: Gate, fields: Mapping[str, Any]) -> Answer:
    return as_json(gate.gone(text(fields, "client_id")), {})


def _answer(verdict: Verdict) -> Answer:
    return as_json(verdict, {"result": "ok" if verdict.is_allowed else {"error": _error(verdict.reason)}})


def _error(reason: Reason) -> str:
    # For VerneMQ's log; what the device sees is the same.
    return "invalid_credentials" if reason is Reason.WRONG_SECRET else "not_authorized"


_HOOKS: Final[dict[str, Callable[[Gate, Mapping[str, Any]], Answer]]] = {
    "auth_on_register": _register,
    "auth_on_publish": _publish,
    "auth_on_subscribe": _subscribe,
    "auth_on_subscribe_m5": _subscribe_m5,
    "on_register": _connected,
    "on_client_gone": _disconnected,
    "on_client_offline": _disconnected,
}
