"""Numbers for rows, handed out in blocks: a process reserves a block and then counts by itself.

Numbers that a process reserved and did not use are lost when it ends; gaps are allowed, repeats are not.
"""

import threading
from typing import Final

from nameplate.store.database import Database
from nameplate.store.schema import counter

BLOCKS: Final = {"account": 1, "product": 1, "batch": 100, "group": 1, "webhook": 1}
"""How many numbers of each kind a process reserves at a time."""


class Counters:
    """Hands out numbers that no other process hands out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._reserved: dict[str, range] = {}

    def mint(self, name: str) -> int:
        """Return the next number of this kind.

        Must not be called inside a transaction.
        """
        with self._lock:
            if not self._reserved.get(name):
                self._reserved[name] = self._reserve(name, BLOCKS[name])
            numbers = self._reserved[name]
            self._reserved[name] = numbers[1:]
            return numbers[0]

    def skip(self, name: str, count: int) -> None:
        """Never hand out the next `count` numbers of this kind."""
        self._reserve(name, count)

    def _reserve(self, name: str, count: int) -> range:
        statement = counter.update().where(counter.c.name == name).values(value=counter.c.value + count)
        with self._database.transaction() as connection:
            last: int = connection.execute(statement.returning(counter.c.value)).scalar_one()
        return range(last - count + 1, last + 1)
