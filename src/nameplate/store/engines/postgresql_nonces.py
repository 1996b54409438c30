"""Nonces in a table that every server shares.

Callers who come while one is being written wait for the next write, which is for all of them.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

import psycopg

from nameplate.store.engines.postgresql import PostgresDatabase
from nameplate.store.nonces import KEPT_SECONDS, PURGE_EVERY, Nonces, Slices, digest

# In the order of digests, so that two servers cannot wait for each other. Not flushed: else each query would wait for
# the megabytes that bulk rows have just written to the log. The log is in order, so whatever a call changes durably
# makes its nonce durable too; a crash of the database may forget the last moments of calls that changed nothing.
_TAKE: Final = """
INSERT INTO nonce (digest, taken_at)
SELECT digest, %(second)s
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS later, unnest(%(digests)s::bytea[]) AS taken (digest)
ORDER BY digest
ON CONFLICT (digest) DO UPDATE SET taken_at = EXCLUDED.taken_at WHERE nonce.taken_at <= EXCLUDED.taken_at - %(kept)s
RETURNING digest
"""
_PURGE: Final = "DELETE FROM nonce WHERE digest >= %s AND digest <= %s AND taken_at <= %s"

Waiting = list[tuple[bytes, Future[bool]]]


class PostgresNonces(Nonces):
    """The nonces of every server on one database."""

    def __init__(self, database: PostgresDatabase, slices: Slices | None = None) -> None:
        self._run = database.run
        self._lock = threading.Lock()
        self._waiting: Waiting = []
        self._is_writing = False
        self._writes = 0
        self._slices = slices or Slices()

    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Take a nonce of an access key; False if it was taken before. It is remembered when this returns."""
        mine: Future[bool] = Future()
        with self._lock:
            self._waiting.append((digest(key_id, nonce), mine))
            is_leader, self._is_writing = not self._is_writing, True
        if is_leader:
            self._write_all(now // 1000)
        return mine.result()

    def commit(self) -> None:
        """Nothing is left to do."""

    def _write_all(self, second: int) -> None:
        """Write for everybody until nobody waits."""
        while True:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                if not waiting:
                    self._is_writing = False
                    return
            try:
                taken = self._run(self._insert({found for found, _ in waiting}, second))
            except BaseException as error:  # noqa: BLE001 (raised again to every caller)
                for _, caller in waiting:
                    caller.set_exception(error)
            else:
                for found, caller in waiting:
                    # Of two callers with one nonce the first has it.
                    caller.set_result(found in taken)
                    taken.discard(found)

    def _insert(self, digests: set[bytes], second: int) -> Callable[[psycopg.Connection[Any]], set[bytes]]:
        values = {"digests": list(digests), "second": second, "kept": KEPT_SECONDS}

        def insert(connection: psycopg.Connection[Any]) -> set[bytes]:
            self._purge(connection, second)
            return {found for (found,) in connection.execute(_TAKE, values)}

        return insert

    def _purge(self, connection: psycopg.Connection[Any], second: int) -> None:
        self._writes += 1
        if self._writes % PURGE_EVERY == 0:
            connection.execute(_PURGE, (*self._slices.next(), second - KEPT_SECONDS))
