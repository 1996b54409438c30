"""Who comes and goes on RabbitMQ, as `nameplate brokers rabbitmq` tells it: many events at once, in their order.

They are answered once they are written: until then RabbitMQ keeps them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from nameplate.brokers.answers import Answer, as_json
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Reason, Verdict, identify
from nameplate.brokers.gate import Gate
from nameplate.domain.presence import Connection
from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.store.applicants import Applicant
from nameplate.store.connections import Kind
from nameplate.wire.request import Request

_LIFE_PARTS: Final = 2

Known = dict[str, list[tuple[Applicant, str]]]
"""Devices and their client ids, by the peer of their connection."""


class Told(NamedTuple):
    """A connection that has begun or ended; whose it is may not be told."""

    kind: Kind
    username: str
    connection: Connection

    @property
    def life(self) -> list[str]:
        """What the peers of a broker's node begin with, ever and since it was started; empty if they do not tell."""
        parts = self.connection.peer.split(".")
        if len(parts) <= _LIFE_PARTS:
            return []
        return [f"{parts[0]}.", f"{parts[0]}.{parts[1]}."]


def events(gate: Gate, request: Request) -> Answer:
    """Take note of connections that have begun and ended."""
    told = [_read(fields) for fields in _objects(request)]
    gate = gate.ahead(filter(None, (identify(one.username) for one in told)))
    known = gate.holders([one.connection.peer for one in told if one.kind is Kind.DISCONNECTED])
    lives: list[list[str]] = []
    for one in told:
        if one.life and one.life not in lives:
            # A node that was killed has told of no disconnections.
            gate.restarted(*one.life)
            lives.append(one.life)
        _take(gate, one, known)
    gate.settle()
    return as_json(Verdict(Reason.ALLOWED), {"allow": True, "reason": Reason.ALLOWED.value})


def _take(gate: Gate, told: Told, known: Known) -> None:
    peer, named = told.connection.peer, gate.check.find(told.username)
    if told.kind is Kind.CONNECTED:
        if named is not None and gate.happened(told.kind, named, told.connection).is_allowed:
            known.setdefault(peer, []).append((named, told.connection.client_id))
        return
    since = told.connection.since
    for device, client_id in known.get(peer, []):
        gate.happened(told.kind, device, Connection(client_id, "", peer, since))
    if peer not in known and named is not None:
        gate.happened(told.kind, named, told.connection)


def _objects(request: Request) -> Sequence[Mapping[str, Any]]:
    found = read_object(request).get("events")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise HOOK_BODY_NOT_VALID(problem="events is not a list of objects")
    return found


def _read(fields: Mapping[str, Any]) -> Told:
    moment = fields.get("at", 0)
    if not isinstance(moment, int) or moment < 0:
        raise HOOK_BODY_NOT_VALID(problem="at is not a number of milliseconds")
    kind = Kind.CONNECTED if fields.get("connected") is True else Kind.DISCONNECTED
    client_id, address = optional(fields, "client_id"), optional(fields, "address")
    return Told(kind, optional(fields, "username"), Connection(client_id, address, text(fields, "peer"), moment))
