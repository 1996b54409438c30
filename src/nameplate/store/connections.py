"""Live connections, and the status of devices that follows from them.

Events are written many at a time, in one transaction: a row of `connection` for each that came or went, and the
device's own row only if its status changes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from sqlalchemy import Connection as Transaction
from sqlalchemy import and_, bindparam, case, func, or_, select

from nameplate.domain.device import Status
from nameplate.domain.presence import Connection, Connections
from nameplate.store.applicants import Applicant
from nameplate.store.database import Database
from nameplate.store.devices import IS_CONNECTED
from nameplate.store.rows import in_slices, replace_rows
from nameplate.store.schema import connection, device

_HERE: Final = (
    device.c.product_id == bindparam("product"),
    device.c.name == bindparam("device_name"),
    device.c.id == bindparam("device"),
)
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
        self.came_at = new.since if self.came_at is None else self.came_at
        if event.kind is Kind.CONNECTED:
            self.clones += [Clone(self.device, new, other) for other in self.live.open(new)]


class ConnectionTable:
    """Live connections by device."""

    def __init__(self, database: Database) -> None:
        self._database = database
        holders = select(connection.c.device_id).where(connection.c.client_id == bindparam("client_id"))
        self._holders = database.prepare(holders)

    def holders(self, client_id: str) -> list[int]:
        """Return the ids of the devices that are connected with this client id."""
        return [row[0] for row in self._holders.rows(client_id=client_id)]

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
