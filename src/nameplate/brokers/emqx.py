"""EMQX 5: its HTTP authenticator and authoriser, and its events by webhook (docs/brokers/emqx.md)."""

from collections.abc import Mapping
from typing import Any, Final

from nameplate.brokers.answers import Answer, as_json, as_json_text
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Credentials, Reason, Verdict
from nameplate.brokers.gate import Gate
from nameplate.domain.topics import Action
from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.wire.request import Request

_ACTIONS: Final = {"publish": Action.PUBLISH, "subscribe": Action.SUBSCRIBE}
_ALLOW: Final = b'{"result":"allow","is_superuser":false}'
# Not "ignore": that would leave it to the next authenticator.
_DENY: Final = b'{"result":"deny","is_superuser":false}'
_EVENTS: Final = {"client.connected": True, "client.disconnected": False}


def authenticate(gate: Gate, request: Request) -> Answer:
    """Whether a client may connect."""
    fields = read_object(request)
    subject = _known(fields, "cert_subject")
    password = "" if subject else optional(fields, "password")
    return _answer(gate.admit(Credentials(text(fields, "clientid"), _known(fields, "username"), password, subject)))


def authorize(gate: Gate, request: Request) -> Answer:
    """Whether a client may publish or subscribe."""
    fields = read_object(request)
    action = _ACTIONS.get(text(fields, "action"))
    if action is None:
        raise HOOK_BODY_NOT_VALID(problem="action is neither publish nor subscribe")
    # The certificate's, if there is one: it says which device of that name.
    username = _known(fields, "cert_subject") or _known(fields, "username")
    return _answer(gate.topic(username, action, text(fields, "topic")))


def event(gate: Gate, request: Request) -> Answer:
    """Take note that a client has connected or disconnected."""
    fields = read_object(request)
    is_connected = _EVENTS.get(text(fields, "event"))
    if is_connected is None:
        return as_json(Verdict(Reason.ALLOWED), {})
    username, client_id, peer = _known(fields, "username"), text(fields, "clientid"), _known(fields, "peername")
    if is_connected:
        verdict = gate.connected(username, client_id, peer.rpartition(":")[0].strip("[]"), peer)
    else:
        verdict = gate.disconnected(username, client_id, peer)
    return as_json(verdict, {})


def _known(fields: Mapping[str, Any], name: str) -> str:
    """Return a field; EMQX writes this word for what it does not know."""
    value = optional(fields, name)
    return "" if value == "undefined" else value


def _answer(verdict: Verdict) -> Answer:
    return as_json_text(verdict, _ALLOW if verdict.is_allowed else _DENY)
