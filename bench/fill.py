"""Tables that grow to millions of devices, fast: many batches in one transaction, without waiting or checking."""

from collections.abc import Sequence
from itertools import count
from typing import Final

import orjson

from bench.calls import KINDS, ROWS
from bench.sites import Site
from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.domain.device import first_id
from nameplate.store.database import Database, NewDevices
from nameplate.store.products import Product
from nameplate.store.schema import batch
from nameplate.store.tallies import count_in

FREE_NUMBER: Final = 1 << 30
"""Batch numbers that Nameplate hands out are far below."""

_BLOCK: Final = 50


class Grown:
    """A registry that grows, and names that it does not have yet."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.batches: list[int] = []
        self._numbers = {kind: count() for kind in KINDS}

    def names(self, kind: str, batches: int) -> list[list[str]]:
        """Return batches of names that were not returned before."""
        return [KINDS[kind](next(self._numbers[kind])) for _ in range(batches)]

    def grow(self, devices: int) -> None:
        """Add batches of random names until there are so many devices."""
        with self.site.open() as registry:
            product = registry.store.products.find(self.site.product)
            assert product is not None
            missing = -(-(devices - registry.store.tallies.of_product(product.id)) // ROWS)
            while missing > 0:
                self._add(registry, product, self.names("random", min(missing, _BLOCK)))
                missing -= _BLOCK
        self.site.vacuum()

    def _add(self, registry: Registry, product: Product, batches: Sequence[Sequence[str]]) -> None:
        store, now = registry.store, registry.clock()
        numbers = [store.counters.mint("batch") for _ in batches]
        parts = [
            NewDevices(first_id(number), product.id, len(names), orjson.dumps(names).decode())
            for number, names in zip(numbers, batches, strict=True)
        ]
        common: dict[str, object] = {
            "account_id": product.account_id,
            "product_id": product.id,
            "origin": 1,
            "created_at": now,
        }
        common |= {"state": State.CREATE_SUCCESS, "total": ROWS, "done": ROWS}
        with store.database.transaction() as connection:
            for group in _groups(store.database, parts):
                store.database.bulk.create_devices(connection, group, now)
            connection.execute(batch.insert(), [{**common, "id": number} for number in numbers])
            count_in(connection, product.id, sum(part.rows for part in parts))
        self.batches += numbers


def _groups(database: Database, parts: list[NewDevices]) -> list[list[NewDevices]]:
    # Where rows are kept in the order they came in, a batch's are beside each other, as a worker would leave them.
    return [parts] if database.is_embedded else [[part] for part in parts]
