"""Devices."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, select

from nameplate.domain.device import Status, first_id
from nameplate.domain.secrets import MasterKey
from nameplate.errors import DEVICE_NAME_TAKEN
from nameplate.store.certificates import StoredCertificate, add_certificates
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.counters import Counters
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import block, device
from nameplate.store.schema import connection as live
from nameplate.store.tallies import check_room, count_in

SECRET_OWNER: Final = "device:%d:secret"  # noqa: S105 (no secret, but what one is sealed for)
IS_CONNECTED: Final = exists().where(live.c.device_id == device.c.id)
"""Whether a device has a live connection."""

COLUMNS: Final = (
    "id",
    "product_id",
    "name",
    "nickname",
    "status",
    "generation",
    "created_at",
    "activated_at",
    "online_at",
    "status_at",
    "modified_at",
    "sn",
    "secret",
)


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as it is stored.

    `generation` counts how often its secret was replaced; `secret` is sealed, and only there if it was imported.
    """

    id: int
    product_id: int
    name: str
    nickname: str | None
    status: int
    generation: int
    created_at: int
    activated_at: int | None = None
    online_at: int | None = None
    status_at: int | None = None
    modified_at: int | None = None
    sn: str | None = None
    secret: bytes | None = None

    def open_secret(self, master: MasterKey) -> str:
        """Return the imported secret.

        Raises WrongMasterKeyError.
        """
        assert self.secret is not None
        return master.open(self.secret, secret_owner(self.id)).decode()


def secret_owner(device_id: int) -> str:
    """Return what an imported secret is sealed for."""
    return SECRET_OWNER % device_id


def is_device(product_id: object, name: object, number: object) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of one device only."""
    # By name too: where devices are distributed, that is what finds and locks one.
    return device.c.product_id == product_id, device.c.name == name, device.c.id == number


def _is(chosen: Device) -> tuple[ColumnElement[bool], ...]:
    return is_device(chosen.product_id, chosen.name, chosen.id)


_RENAME: Final = (
    device.update()
    .where(*is_device(bindparam("of_product"), bindparam("named"), bindparam("at")))
    .values(nickname=bindparam("nick"), modified_at=bindparam("now"))
)


class Beside(Protocol):
    """What is kept about a device elsewhere."""

    def forget(self, connection: Connection, device_id: int) -> None:
        """Delete it."""


class Devices:
    """Devices by id, by name in a product, and by batch."""

    def __init__(self, database: Database, counters: Counters, beside: Sequence[Beside]) -> None:
        """Delete with a device what is kept `beside` it."""
        self._database = database
        self._counters = counters
        self._beside = beside
        self._lock = threading.Lock()
        self._reserved: dict[int, range] = {}
        every = select(*(device.c[name] for name in COLUMNS))
        self._find = database.prepare(every.where(device.c.id == bindparam("device_id")))
        by_name = every.where(device.c.product_id == bindparam("product_id"), device.c.name == bindparam("name"))
        self._find_name = database.prepare(by_name)
        page = every.where(device.c.id >= bindparam("first"), device.c.id <= bindparam("last")).order_by(device.c.id)
        self._page = database.prepare(page.limit(bindparam("size")).offset(bindparam("skip")))
        after = every.where(
            device.c.id > bindparam("after"), device.c.id.between(bindparam("first"), bindparam("last"))
        )
        self._after = database.prepare(after.order_by(device.c.id).limit(bindparam("size")))

    def mint_id(self, product_id: int) -> int:
        """Return the id of a device that is registered by itself, from a block this process has for its product."""
        with self._lock:
            if not self._reserved.get(product_id):
                self._reserved[product_id] = self._reserve(product_id)
            numbers = self._reserved[product_id]
            self._reserved[product_id] = numbers[1:]
            return numbers[0]

    def _reserve(self, product_id: int) -> range:
        number = self._counters.mint("batch")
        with self._database.transaction() as connection:
            connection.execute(block.insert().values(product_id=product_id, number=number))
        return range(first_id(number), first_id(number + 1))

    def add(
        self,
        new: Device,
        token: ClientToken | None,
        certificates: Sequence[StoredCertificate] = (),
        most: int | None = None,
    ) -> int:
        """Add one device and return its id, or that of the device that the same token made.

        Raises DEVICE_NAME_TAKEN, PRODUCT_NOT_FOUND, and TOO_MANY_DEVICES if its product would have more than `most`.
        """
        values = {name: getattr(new, name) for name in COLUMNS}
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.id, new.created_at)
            if earlier is not None:
                return earlier
            self._database.bulk.hold_products(connection, [new.product_id])
            if not insert_new(connection, device, values):
                raise DEVICE_NAME_TAKEN()
            add_certificates(connection, certificates)
            count_in(connection, new.product_id, 1)
            check_room(connection, new.product_id, 1, most)
        return new.id

    def delete(self, gone: Device) -> bool:
        """Delete a device, with its labels and its certificate; False if it is gone already."""
        with self._database.transaction() as connection:
            if connection.execute(device.delete().where(*_is(gone))).rowcount != 1:
                return False
            for kept in self._beside:
                kept.forget(connection, gone.id)
            count_in(connection, gone.product_id, -1)
        return True

    def rename(self, nicknames: Sequence[tuple[Device, str | None]], now: int) -> bool:
        """Give devices nicknames, or none; False, and nothing is changed, if one of them is gone."""
        # In one order, so that two such calls cannot wait for each other.
        rows = [
            {"of_product": named.product_id, "named": named.name, "at": named.id, "nick": nickname, "now": now}
            for named, nickname in sorted(nicknames, key=lambda pair: pair[0].id)
        ]
        with self._database.transaction() as connection:
            if connection.execute(_RENAME, rows).rowcount == len(rows):
                return True
            connection.rollback()
        return False

    def disable(self, chosen: Device, now: int) -> bool:
        """Keep a device from connecting; False if it is gone."""
        return self._change_status(chosen, now, Status.DISABLE)

    def enable(self, chosen: Device, now: int) -> bool:
        """Let a disabled device connect again, with the status that it would have; False if it is gone."""
        before = case(
            (device.c.activated_at.is_(None), Status.UNACTIVE), (IS_CONNECTED, Status.ONLINE), else_=Status.OFFLINE
        )
        return self._change_status(
            chosen, now, case((device.c.status == Status.DISABLE, before), else_=device.c.status)
        )

    def reset(self, chosen: Device, now: int) -> bool:
        """Forget that a device has ever connected; one that is disabled stays so. False if it is gone."""
        unactive = case((device.c.status == Status.DISABLE, Status.DISABLE), else_=Status.UNACTIVE)
        return self._change_status(chosen, now, unactive, activated_at=None, online_at=None)

    def _change_status(self, chosen: Device, now: int, status: Any, **values: int | None) -> bool:  # noqa: ANN401 (a value or an expression)
        # Whoever changes nothing does not move the times either.
        changed = device.c.status != status
        times = {
            "status_at": case((changed, now), else_=device.c.status_at),
            "modified_at": case((changed, now), else_=device.c.modified_at),
        }
        update = device.update().where(*_is(chosen)).values(status=status, **times, **values)
        with self._database.transaction() as connection:
            return connection.execute(update).rowcount == 1

    def find(self, device_id: int) -> Device | None:
        """Return the device with this id, or None."""
        row = self._find.row(device_id=device_id)
        return None if row is None else Device(*row)

    def find_name(self, product_id: int, name: str) -> Device | None:
        """Return a product's device of this name, or None."""
        row = self._find_name.row(product_id=product_id, name=name)
        return None if row is None else Device(*row)

    def page(self, first: int, last: int, skip: int, size: int) -> list[Device]:
        """Return up to `size` devices with ids from `first` to `last`, in order, after the first `skip`."""
        return [Device(*row) for row in self._page.rows(first=first, last=last, skip=skip, size=size)]

    def after(self, first: int, last: int, after: int, size: int) -> list[Device]:
        """Return up to `size` devices with ids from `first` to `last` and above `after`, in order."""
        return [Device(*row) for row in self._after.rows(first=first, last=last, after=after, size=size)]
