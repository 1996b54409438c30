"""Signature nonces: each is taken once, across restarts too.

They are kept beside the registry and not in it: a nonce has to survive a crash but not a power loss, and forgetting is
a delete of whole slots of time. A commit is for everyone who has taken a nonce
since the last one.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

from nameplate.store.database import Database
from nameplate.store.schema import nonce_metadata

_SLOT_SECONDS: Final = 1_000
_SLOTS_KEPT: Final = 2
"""Beside the present one: at least 2,000 seconds are remembered.

A timestamp is good for 1,800.
"""

_PURGED_AT_ONCE: Final = 1_000
_PURGE_EVERY: Final = 256


_TAKE: Final = """
INSERT INTO nonce (slot, digest) SELECT ?1, ?2
WHERE NOT EXISTS (SELECT 1 FROM nonce WHERE slot IN (?1 + 1, ?1 - 1, ?1 - 2) AND digest = ?2)
ON CONFLICT DO NOTHING
"""
_PURGE: Final = "DELETE FROM nonce WHERE (slot, digest) IN (SELECT slot, digest FROM nonce WHERE slot < ? LIMIT ?)"


class NoncesLostError(Exception):
    """Nonces that were taken could not be remembered."""


class Nonces:
    """The nonces that were seen lately."""

    def __init__(self, database: Database) -> None:
        nonce_metadata.create_all(database.engine)
        self._connection = database.writer()
        self._lock = threading.Lock()
        self._commits = 0
        self._was_rolled_back = False

    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Take a nonce of an access key; False if it was taken before.

        It is remembered by the next `commit`, whoever calls it. `now` is in milliseconds.
        """
        slot = now // 1000 // _SLOT_SECONDS
        digest = blake2b(f"{key_id}\0{nonce}".encode(), digest_size=16).digest()
        with self._lock, self._rolling_back():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
                self._was_rolled_back = False
                self._purge(slot)
            return self._connection.execute(_TAKE, (slot, digest)).rowcount == 1

    def commit(self) -> None:
        """Remember every nonce that was taken. Raises if they could not be: their calls must not be answered."""
        with self._lock, self._rolling_back():
            if self._was_rolled_back:
                raise NoncesLostError
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")

    @contextmanager
    def _rolling_back(self) -> Iterator[None]:
        """Leave no transaction behind that has failed: it would keep others out."""
        try:
            yield
        except sqlite3.Error:
            self._was_rolled_back = True
            self._connection.rollback()
            raise

    def _purge(self, slot: int) -> None:
        self._commits += 1
        if self._commits % _PURGE_EVERY == 0:
            self._connection.execute(_PURGE, (slot - _SLOTS_KEPT, _PURGED_AT_ONCE))
