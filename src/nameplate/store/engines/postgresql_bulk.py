"""Bulk rows on PostgreSQL: a binary COPY; where names are taken already, a staged INSERT that leaves them out."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final, LiteralString, Protocol, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nameplate.store.database import Bulk, Existing, NewDevices, missing

_PLAIN: Final = ("id", "product_id", "created_at", "name", "nickname")
_IMPORTED: Final = (*_PLAIN, "sn", "secret")
_COPY: Final = "COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
_STAGE: Final = """
CREATE TEMPORARY TABLE stage (
    id bigint, product_id integer, created_at bigint, name text COLLATE "C", nickname text, sn text, secret bytea
) ON COMMIT DROP
"""
# In the order of names, so that two that race for the same ones cannot wait for each other.
_CREATE_FREE: Final = """
INSERT INTO device ({columns}) SELECT {columns} FROM stage ORDER BY product_id, name
ON CONFLICT (product_id, name) DO NOTHING
"""

# Of a table that has grown since it was last analysed the planner believes too little, and then reads every device of
# the product: by a bitmap, although a LIMIT follows, or by a plain join. Only the index is left to it.
_BY_INDEX: Final[LiteralString] = "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off"
_BETWEEN: Final[LiteralString] = "SELECT name FROM device WHERE product_id = %s AND name BETWEEN %s AND %s LIMIT %s"
# Names whose entries share a page are found by one search. Before PostgreSQL 17 each costs a search of its own, and a
# planner that believes in few devices reads all of the product instead.
_TOGETHER_FROM: Final = 170_000
_TAKEN: Final[LiteralString] = """
SELECT name FROM device WHERE name = ANY((SELECT string_to_array(%s, E'\\n'))::text[]) AND product_id = %s
"""
_TAKEN_EACH: Final[LiteralString] = """
SELECT sought.name FROM string_to_table(%s, E'\\n') AS sought (name)
CROSS JOIN LATERAL (
    SELECT 1 FROM device WHERE device.product_id = %s AND device.name = sought.name COLLATE "C" LIMIT 1
) AS found
"""

_NAMED: Final[LiteralString] = """
SELECT found.* FROM string_to_table(%s, E'\\n') AS sought (name)
CROSS JOIN LATERAL (
    SELECT id, name, nickname, sn, secret, generation FROM device
    WHERE device.product_id = %s AND device.name = sought.name COLLATE "C" LIMIT 1
) AS found
"""

_Found = TypeVar("_Found")


class Run(Protocol):
    """Runs a query on the thread's own connection."""

    def __call__(self, query: Callable[[psycopg.Connection[Any]], _Found]) -> _Found:
        """Return what it returns."""


class PostgresBulk(Bulk):
    """Rows by the ten thousand on PostgreSQL."""

    # A claim, a commit and searches of the index are saved; with more parts no more of them shows. Nobody waits for a
    # transaction but who waits for this worker.
    most_parts = 8
    brief_seconds = 0.25

    def __init__(self, run: Run) -> None:
        self._run = run

    def create_devices(self, connection: Connection, parts: Sequence[NewDevices], now: int) -> list[list[int]]:
        """Create the devices of every part."""
        # Arrow takes its time to load, and a process that creates nothing does without.
        from nameplate.store.engines.postgresql_copy import copied  # noqa: PLC0415 (for that reason)

        # One lock on a product; a foreign key would be looked up row by row, at more than the rows themselves cost.
        self.hold_products(connection, {part.product_id for part in parts})
        columns = _PLAIN if all(part.secrets is None and part.sns is None for part in parts) else _IMPORTED
        rows = [*copied(parts, now, columns)]
        try:
            with connection.begin_nested():
                _copy(connection, "device", columns, rows)
        except (DBAPIError, psycopg.Error) as error:
            if not _is_taken(error):
                raise
        else:
            return [[] for _ in parts]
        connection.exec_driver_sql(_STAGE)
        _copy(connection, "stage", columns, rows)
        connection.exec_driver_sql(_CREATE_FREE.format(columns=", ".join(columns)))
        return [missing(connection, part) for part in parts]

    def _between(self, product_id: int, first: str, last: str, most: int) -> set[str]:
        return self._run(lambda connection: _look(connection, _BETWEEN, (product_id, first, last, most)))

    def _taken(self, product_id: int, lists: Sequence[Sequence[str]]) -> set[str]:
        # Together, and in one order: the more names share a page of the index, the less each costs.
        names = "\n".join(sorted(chain(*lists)))

        def look(connection: psycopg.Connection[Any]) -> set[str]:
            is_together = connection.info.server_version >= _TOGETHER_FROM
            return _look(connection, _TAKEN if is_together else _TAKEN_EACH, (names, product_id))

        return self._run(look)

    def _named(self, product_id: int, ordered: Sequence[str]) -> list[Existing]:
        values = ("\n".join(ordered), product_id)
        rows = self._run(lambda connection: connection.execute(_NAMED, values).fetchall())
        return [Existing(*row) for row in rows]


def _look(connection: psycopg.Connection[Any], query: LiteralString, values: tuple[object, ...]) -> set[str]:
    """Return the names that a query finds by the index."""
    with connection.transaction():
        connection.execute(_BY_INDEX)
        return {name for (name,) in connection.execute(query, values)}


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[bytes | memoryview]) -> None:
    statement = _COPY.format(table=table, columns=", ".join(columns))
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # untyped there
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in rows:
            copy.write(piece)


def _is_taken(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    # A shard that is elsewhere loses the code.
    return code == "23505" or (code == "XX000" and "duplicate key" in str(cause))
