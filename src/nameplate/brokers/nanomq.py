"""NanoMQ: its HTTP authorisation, which reads the status of an answer, and its webhooks (docs/brokers/nanomq.md)."""

from typing import Final

from nameplate.brokers.answers import Answer, as_json
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Credentials, Reason, Verdict
from nameplate.brokers.gate import Gate
from nameplate.domain.topics import MOST_FILTERS, Action
from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.wire.request import Request

_ACTIONS: Final = {"1": Action.SUBSCRIBE, "2": Action.PUBLISH}
_REFUSED: Final = 403


def authenticate(gate: Gate, request: Request) -> Answer:
    """Whether a client may connect."""
    fields = read_object(request)
    credentials = Credentials(text(fields, "clientid"), optional(fields, "username"), optional(fields, "password"))
    return _answer(gate.admit(credentials))


def authorize(gate: Gate, request: Request) -> Answer:
    """Whether a client may publish or subscribe. The filters of one SUBSCRIBE come together, with commas between."""
    fields = read_object(request)
    action, topic = _ACTIONS.get(text(fields, "access")), text(fields, "topic")
    if action is None:
        raise HOOK_BODY_NOT_VALID(problem="access is neither 1 (subscribe) nor 2 (publish)")
    topics = topic.split(",") if action is Action.SUBSCRIBE else [topic]
    if len(topics) > MOST_FILTERS:
        raise HOOK_BODY_NOT_VALID(problem=f"topic has more than {MOST_FILTERS} filters")
    verdicts = gate.topics(optional(fields, "username"), action, topics)
    return _answer(next((one for one in verdicts if not one.is_allowed), verdicts[0]))


def event(gate: Gate, request: Request) -> Answer:
    """Take note that a client has connected or disconnected."""
    fields = read_object(request)
    what, username, client_id = text(fields, "action"), optional(fields, "username"), text(fields, "clientid")
    if what == "client_connack" and fields.get("conn_ack") == "success":
        verdict = gate.connected(username, client_id)
    elif what == "client_disconnected":
        verdict = gate.disconnected(username, client_id)
    else:
        verdict = Verdict(Reason.ALLOWED)
    return as_json(verdict, {})


def _answer(verdict: Verdict) -> Answer:
    return as_json(verdict, {}, 200 if verdict.is_allowed else _REFUSED)
