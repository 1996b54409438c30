"""Nonces in a file beside the registry: a nonce has to survive a crash but not a power loss.

A commit is for everyone who has taken a nonce since the last one. Old ones are forgotten a slice of the table at a
time.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nameplate.errors import DATABASE_UNAVAILABLE
from nameplate.store.engines.sqlite import SqliteDatabase
from nameplate.store.nonces import KEPT_SECONDS, PURGE_EVERY, Nonces, Slices, digest
from nameplate.store.schema import nonce_metadata

_TAKE: Final = """
INSERT INTO nonce (digest, taken_at) VALUES (?1, ?2)
ON CONFLICT (digest) DO UPDATE SET taken_at = ?2 WHERE taken_at <= ?2 - ?3
"""
_PURGE: Final = "DELETE FROM nonce WHERE digest >= ? AND digest <= ? AND taken_at <= ?"


class SqliteNonces(Nonces):
    """The nonces of one host's servers."""

    def __init__(self, database: SqliteDatabase, slices: Slices | None = None) -> None:
        nonce_metadata.create_all(database.engine)
        self._connection = database.writer()
        self._lock = threading.Lock()
        self._commits = 0
        self._slices = slices or Slices()
        self._taken: list[tuple[bytes, int, int]] = []

    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Take a nonce of an access key; False if it was taken before."""
        values = (digest(key_id, nonce), now // 1000, KEPT_SECONDS)
        with self._lock, self._rolling_back():
            if not self._connection.in_transaction:
                self._begin(now // 1000)
            if self._connection.execute(_TAKE, values).rowcount != 1:
                return False
            self._taken.append(values)
            return True

    def commit(self) -> None:
        """Remember every nonce that was taken."""
        with self._lock, self._rolling_back():
            if not self._connection.in_transaction and self._taken:
                self._begin(self._taken[-1][1])
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            self._taken.clear()

    def _begin(self, second: int) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        # Those of a transaction that failed: somebody may still be waiting to have them committed.
        self._connection.executemany(_TAKE, self._taken)
        self._purge(second)

    @contextmanager
    def _rolling_back(self) -> Iterator[None]:
        """Leave no transaction behind that has failed: it would keep others out."""
        try:
            yield
        except sqlite3.Error as error:
            self._connection.rollback()
            if isinstance(error, sqlite3.OperationalError):
                raise DATABASE_UNAVAILABLE() from error
            raise

    def _purge(self, second: int) -> None:
        self._commits += 1
        if self._commits % PURGE_EVERY == 0:
            self._connection.execute(_PURGE, (*self._slices.next(), second - KEPT_SECONDS))
