"""Live connections, and the status of devices that follows from them.

Events are written many at a time, in one transaction: a row of `connection` for each that came or went, and the
device's own row only if its status changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, bindparam, case, exists, func, or_, select
from sqlalchemy import Connection as Transaction

from nameplate.domain.device import Status
from nameplate.domain.presence import Connection, Connections
from nameplate.store.applicants import Applicant
from nameplate.store.database import Database
from nameplate.store.devices import IS_CONNECTED, is_device
from nameplate.store.rows import in_slices, replace_rows
from nameplate.store.schema import connection, device

_HERE: Final = is_device(bindparam("product"), bindparam("device_name"), bindparam("device"))
_IS_ONLINE: Final = device.c.status == Status.ONLINE
# A connection may be told of twice, when it is let in and when it is there.
_ONCE_MS: Final = 10_000
_COMES: Final = or_(
    device.c.status == Status.UNACTIVE,
    device.c.status == Status.OFFLINE,
    and_(_IS_ONLINE, device.c.online_at < bindparam("moment") - _ONCE_MS),
)
_COME: Final = (
    device.update()
    # Whose secret was changed meanwhile came with one that is good no more: it may fetch the next.
    .where(*_HERE, device.c.generation == bindparam("its_generation"), _COMES)
    .values(
        status=Status.ONLINE,
        activated_at=func.coalesce(device.c.activated_at, bindparam("moment")),
        online_at=bindparam("moment"),
        status_at=case((_IS_ONLINE, device.c.status_at), else_=bindparam("moment")),
    )
)
_GO: Final = (
    device.update()
    .where(*_HERE, _IS_ONLINE, ~IS_CONNECTED)
    .values(status=Status.OFFLINE, status_at=bindparam("moment"))
)
_LIVE: Final = select(*(connection.c[name] for name in ("device_id", "client_id", "address", "peer", "since"))).where(
    connection.c.device_id.in_(bindparam("devices", expanding=True))
)
_AT: Final = select(connection.c.peer, connection.c.device_id, connection.c.client_id).where(
    connection.c.peer.in_(bindparam("peers", expanding=True))
)


def _is_other(table: FromClause) -> ColumnElement[bool]:
    """Whether a peer begins with `node`, but not with `life`: two ranges, mostly empty."""
    peer = table.c.peer
    before = and_(peer >= bindparam("node"), peer < bindparam("life"))
    return or_(before, and_(peer >= bindparam("past_life"), peer < bindparam("past_node")))


_LEFT: Final = connection.alias("left")
_OTHERS: Final = select(connection.c.device_id).where(_is_other(connection))
_OTHERS_GO: Final = (
    device.update()
    .where(
        _IS_ONLINE,
        device.c.id.in_(_OTHERS),
        ~exists().where(_LEFT.c.device_id == device.c.id, ~_is_other(_LEFT)),
    )
    .values(status=Status.OFFLINE, status_at=bindparam("moment"))
)
_OTHERS_CLOSED: Final = connection.delete().where(_is_other(connection))
_CLOSED: Final = connection.delete().where(
    connection.c.device_id == bindparam("device"), connection.c.client_id == bindparam("client")
)


class Kind(Enum):
    """What has happened to a device."""

    ADMITTED = "admitted"
    """It has proved who it is, and is let in."""

    CONNECTED = "connected"
    """It is connected."""

    DISCONNECTED = "disconnected"
    """It is not connected any more."""


class Event(NamedTuple):
    """What has happened to one device, and on which connection."""

    kind: Kind
    device: Applicant
    connection: Connection


class Clone(NamedTuple):
    """One identity on two live connections from different addresses."""

    device: Applicant
    connection: Connection
    other: Connection


@dataclass(slots=True)
class _Change:
    """What some events come to for one device."""

    device: Applicant
    before: dict[str, Connection]
    live: Connections
    came_at: int | None = None
    went_at: int | None = None
    clones: list[Clone] = field(default_factory=list)

    def take(self, event: Event) -> None:
        new = event.connection
        if event.kind is Kind.DISCONNECTED:
            self.live.close(new.client_id, new.peer)
            self.went_at = new.since
            return
        if self.came_at is None or new.since > self.came_at + _ONCE_MS:
            self.came_at = new.since
        if event.kind is Kind.CONNECTED:
            self.clones += [Clone(self.device, new, other) for other in self.live.open(new)]


class ConnectionTable:
    """Live connections by device."""

    def __init__(self, database: Database) -> None:
        self._database = database
        holders = select(connection.c.device_id).where(connection.c.client_id == bindparam("client_id"))
        self._holders = database.prepare(holders)
        self._others = database.prepare(_OTHERS.limit(1))

    def holders(self, client_id: str) -> list[int]:
        """Return the ids of the devices that are connected with this client id."""
        return [row[0] for row in self._holders.rows(client_id=client_id)]

    def at(self, peers: Sequence[str]) -> list[tuple[str, int, str]]:
        """Return which devices are connected from some peers: peer, device id, client id."""
        if not peers:
            return []
        with self._database.transaction(durable=False) as transaction:
            return [
                (peer, device_id, client_id)
                for some in in_slices(peers)
                for peer, device_id, client_id in transaction.execute(_AT, {"peers": some})
            ]

    def record(self, events: Sequence[Event]) -> list[Clone]:
        """Write what some events come to, all or nothing, and return the clones that they show."""
        # Whoever is let in is not connected by that: a storm of first connections needs no look at the others.
        moved = {event.device.id for event in events if event.kind is not Kind.ADMITTED}
        with self._database.transaction() as transaction:
            changes = _changes(events, _live(transaction, moved))
            _write(transaction, changes)
        return [clone for change in changes for clone in change.clones]

    def forget_all(self, now: int) -> int:
        """Take every device for disconnected, as after a broker's crash, and return how many were connected."""
        offline = device.update().where(_IS_ONLINE)
        with self._database.transaction() as transaction:
            transaction.execute(connection.delete())
            return transaction.execute(offline.values(status=Status.OFFLINE, status_at=now)).rowcount

    def forget_others(self, node: str, life: str, now: int) -> int:
        """Take connections whose peers begin with `node`, but not with `life`, for ended; return how many there were.

        Both end in a dot.
        """
        bounds = {"node": node, "life": life, "past_node": f"{node[:-1]}/", "past_life": f"{life[:-1]}/"}
        if not self._others.rows(**bounds):
            return 0
        with self._database.transaction() as transaction:
            transaction.execute(_OTHERS_GO, {**bounds, "moment": now})
            return transaction.execute(_OTHERS_CLOSED, bounds).rowcount

    def forget(self, transaction: Transaction, device_id: int) -> None:
        """Delete the connections of a device that is being deleted."""
        transaction.execute(connection.delete().where(connection.c.device_id == device_id))


def _live(transaction: Transaction, device_ids: Collection[int]) -> dict[int, list[Connection]]:
    """Return the live connections of some devices."""
    live: dict[int, list[Connection]] = defaultdict(list)
    for some in in_slices(list(device_ids)):
        for device_id, *row in transaction.execute(_LIVE, {"devices": some}):
            live[device_id].append(Connection(*row))
    return live


def _changes(events: Iterable[Event], live: Mapping[int, Sequence[Connection]]) -> list[_Change]:
    """Return what events come to for each device, in one order, so that two servers cannot wait for each other."""
    changes: dict[int, _Change] = {}
    for event in events:
        number = event.device.id
        if number not in changes:
            before = live.get(number, ())
            changes[number] = _Change(event.device, {one.client_id: one for one in before}, Connections(before))
        changes[number].take(event)
    return [changes[number] for number in sorted(changes)]


def _write(transaction: Transaction, changes: Sequence[_Change]) -> None:
    closed: list[dict[str, object]] = []
    opened: list[dict[str, object]] = []
    for change in changes:
        after = {one.client_id: one for one in change.live}
        closed += [{"device": change.device.id, "client": client_id} for client_id in change.before.keys() - after]
        opened += [
            {"device_id": change.device.id, **asdict(one)}
            for client_id, one in after.items()
            if change.before.get(client_id) != one
        ]
    if closed:
        transaction.execute(_CLOSED, closed)
    replace_rows(transaction, connection, opened)
    come = [
        _named(change.device, change.came_at) | {"its_generation": change.device.generation}
        for change in changes
        if change.came_at is not None
    ]
    gone = [_named(change.device, change.went_at) for change in changes if change.went_at is not None]
    if come:
        transaction.execute(_COME, come)
    if gone:
        transaction.execute(_GO, gone)


def _named(device_: Applicant, moment: int | None) -> dict[str, object]:
    return {"product": device_.product_id, "device_name": device_.name, "device": device_.id, "moment": moment}
