"""Devices."""

import threading
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select

from nameplate.domain.device import ORDINAL_BITS, first_id
from nameplate.errors import DEVICE_NAME_TAKEN
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.counters import Counters
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import device

_COLUMNS: Final = (
    "id",
    "product_id",
    "name",
    "nickname",
    "status",
    "generation",
    "created_at",
    "activated_at",
    "online_at",
)


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as it is stored.

    `generation` counts how often its secret was replaced.
    """

    id: int
    product_id: int
    name: str
    nickname: str | None
    status: int
    generation: int
    created_at: int
    activated_at: int | None
    online_at: int | None


class Devices:
    """Devices by id, by name in a product, and by batch."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._lock = threading.Lock()
        self._reserved = range(0)
        every = select(*(device.c[name] for name in _COLUMNS))
        self._find = database.prepare(every.where(device.c.id == bindparam("device_id")))
        by_name = every.where(device.c.product_id == bindparam("product_id"), device.c.name == bindparam("name"))
        self._find_name = database.prepare(by_name)
        page = every.where(device.c.id >= bindparam("first"), device.c.id <= bindparam("last")).order_by(device.c.id)
        self._page = database.prepare(page.limit(bindparam("size")).offset(bindparam("skip")))

    def mint_id(self) -> int:
        """Return the id of a device that is registered by itself, from a batch number this process has reserved."""
        with self._lock:
            if not self._reserved:
                first = first_id(self._counters.mint("batch"))
                self._reserved = range(first, first + (1 << ORDINAL_BITS))
            number, self._reserved = self._reserved[0], self._reserved[1:]
            return number

    def add(self, new: Device, token: ClientToken | None) -> int:
        """Add one device and return its id, or that of the device that the same token made.

        Raises DEVICE_NAME_TAKEN.
        """
        values = {name: getattr(new, name) for name in _COLUMNS}
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.id, new.created_at)
            if earlier is not None:
                return earlier
            self._database.bulk.hold_products(connection, [new.product_id])
            if not insert_new(connection, device, values):
                raise DEVICE_NAME_TAKEN()
        return new.id

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
