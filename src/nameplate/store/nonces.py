"""Signature nonces: each is taken once, across restarts too.

They are kept beside the registry and not in it: a nonce has to survive a crash but not a power loss. A commit is for
everyone who has taken a nonce since the last one. Old ones are forgotten a slice of the table at a time.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import cycle
from typing import Final

from nameplate.store.database import Database
from nameplate.store.schema import nonce_metadata

_KEPT_SECONDS: Final = 31 * 60
"""Longer than any timestamp is good for: 15 minutes before and 15 after its time."""

_SLICES: Final = 4_096
_PURGE_EVERY: Final = 16

_TAKE: Final = """
INSERT INTO nonce (digest, taken_at) VALUES (?1, ?2)
ON CONFLICT (digest) DO UPDATE SET taken_at = ?2 WHERE taken_at <= ?2 - ?3
"""
_PURGE: Final = "DELETE FROM nonce WHERE digest >= ? AND digest < ? AND taken_at <= ?"


class NoncesLostError(Exception):
    """Nonces that were taken could not be remembered."""


class Nonces:
    """The nonces that were seen lately."""

    def __init__(self, database: Database) -> None:
        nonce_metadata.create_all(database.engine)
        self._connection = database.writer()
        self._lock = threading.Lock()
        self._commits = 0
        self._slices = cycle(range(_SLICES))
        self._was_rolled_back = False

    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Take a nonce of an access key; False if it was taken before.

        It is remembered by the next `commit`, whoever calls it. `now` is in milliseconds.
        """
        second = now // 1000
        digest = blake2b(f"{key_id}\0{nonce}".encode(), digest_size=16).digest()
        with self._lock, self._rolling_back():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
                self._was_rolled_back = False
                self._purge(second)
            return self._connection.execute(_TAKE, (digest, second, _KEPT_SECONDS)).rowcount == 1

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

    def _purge(self, second: int) -> None:
        self._commits += 1
        if self._commits % _PURGE_EVERY == 0:
            start = next(self._slices)
            first, last = (number.to_bytes(3, "big") for number in (start << 12, (start + 1 << 12) - 1))
            self._connection.execute(_PURGE, (first, last + b"\xff" * 13, second - _KEPT_SECONDS))
