"""Signature nonces: each is taken once, across restarts too.

They are kept beside the registry and not in it: a nonce has to survive a crash but not a power loss, and forgetting is
a delete of whole slots of time. Whoever gets the lock commits for everyone who is waiting at that moment.
"""

import sqlite3
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Attempt:
    slot: int
    digest: bytes
    was_new: bool = False
    is_done: bool = False
    error: Exception | None = None


class Nonces:
    """The nonces that were seen lately."""

    def __init__(self, database: Database) -> None:
        nonce_metadata.create_all(database.engine)
        self._connection = database.writer()
        self._waiting: deque[_Attempt] = deque()
        self._lock = threading.Lock()
        self._commits = 0

    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Remember a nonce of an access key; False if it was taken before.

        `now` is in milliseconds.
        """
        digest = blake2b(f"{key_id}\0{nonce}".encode(), digest_size=16).digest()
        attempt = _Attempt(now // 1000 // _SLOT_SECONDS, digest)
        self._waiting.append(attempt)
        with self._lock:
            if not attempt.is_done:
                self._commit([self._waiting.popleft() for _ in range(len(self._waiting))])
        if attempt.error is not None:
            raise attempt.error
        return attempt.was_new

    def _commit(self, attempts: list[_Attempt]) -> None:
        try:
            taken = self._insert(attempts)
        except Exception as error:  # noqa: BLE001 (raised again to every caller that waits)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for attempt in attempts:
                attempt.is_done, attempt.error = True, error
        else:
            for attempt, rows in zip(attempts, taken, strict=True):
                attempt.is_done, attempt.was_new = True, rows == 1
        self._purge(attempts[0].slot)

    def _insert(self, attempts: list[_Attempt]) -> list[int]:
        # One alone is a transaction of its own, at half of the cost.
        if len(attempts) == 1:
            return [self._take(attempts[0])]
        self._connection.execute("BEGIN IMMEDIATE")
        taken = [self._take(attempt) for attempt in attempts]
        self._connection.execute("COMMIT")
        return taken

    def _take(self, attempt: _Attempt) -> int:
        return self._connection.execute(_TAKE, (attempt.slot, attempt.digest)).rowcount

    def _purge(self, slot: int) -> None:
        self._commits += 1
        if self._commits % _PURGE_EVERY:
            return
        # The calls have their answer already; another time will do.
        with suppress(sqlite3.OperationalError):
            self._connection.execute(_PURGE, (slot - _SLOTS_KEPT, _PURGED_AT_ONCE))
