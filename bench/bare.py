"""What the disk and SQLite give: the same rows in bulk, one durable transaction per batch, several ways."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import orjson

from bench.sites import Site
from nameplate.domain.device import first_id
from nameplate.store.engines import SqliteDatabase

_COLUMNS: Final = "INSERT INTO device (id, product_id, name, created_at)"
_VALUES: Final = "(?, ?, ?, ?)"
_FROM_JSON: Final = f"{_COLUMNS} SELECT ? + key, ?, value, ? FROM json_each(?) ORDER BY value"  # noqa: S608 (no value of a caller's)
_CREATED_AT: Final = 1_700_000_000_000
_BLOCK: Final = 500


class Part(NamedTuple):
    """The names of one transaction, and what their rows need besides."""

    first_id: int
    product_id: int
    names: Sequence[str]


Insert = Callable[[sqlite3.Connection], object]
Row = tuple[int, int, str, int]


def executemany(part: Part) -> Insert:
    """Insert rows as they come."""
    rows = _rows(part)
    return lambda connection: connection.executemany(f"{_COLUMNS} VALUES {_VALUES}", rows)


def sorted_executemany(part: Part) -> Insert:
    """Insert rows in the order of their names."""
    rows = sorted(_rows(part), key=_name)
    return lambda connection: connection.executemany(f"{_COLUMNS} VALUES {_VALUES}", rows)


def sorted_values(part: Part) -> Insert:
    """Insert rows in the order of their names, many with one statement."""
    blocks = [_block(rows) for rows in _cut(sorted(_rows(part), key=_name))]

    def insert(connection: sqlite3.Connection) -> None:
        for statement, values in blocks:
            connection.execute(statement, values)

    return insert


def from_json(part: Part) -> Insert:
    """Let SQLite read and sort the names, and count the ids."""
    values = (part.first_id, part.product_id, _CREATED_AT, orjson.dumps(part.names).decode())
    return lambda connection: connection.execute(_FROM_JSON, values)


EXECUTEMANY: Final = "bare executemany"
FROM_JSON: Final = "bare INSERT … SELECT FROM json_each ORDER BY"
SHAPES: Final[dict[str, Callable[[Part], Insert]]] = {
    EXECUTEMANY: executemany,
    "bare executemany, sorted": sorted_executemany,
    f"bare VALUES, {_BLOCK} rows each, sorted": sorted_values,
    FROM_JSON: from_json,
}


def insert(site: Site, batches: Sequence[Sequence[str]], shape: str, number: int = 1) -> list[float]:
    """Insert every batch's names into a registry's own database and return how long each took, in seconds.

    The schema, the product that the rows belong to and the connection with its pragmas are Nameplate's.
    """
    database = SqliteDatabase(site.data_dir / "nameplate.db")
    lent = database.engine.raw_connection()
    try:
        connection = lent.driver_connection
        assert connection is not None
        (product,) = connection.execute("SELECT id FROM product").fetchone()
        # Rows are made before the clock starts, as calls are signed before it starts.
        parts = (Part(first_id(batch), product, names) for batch, names in enumerate(batches, number))
        inserts = [SHAPES[shape](part) for part in parts]
        os.sync()
        return [_time(connection, work) for work in inserts]
    finally:
        lent.close()
        database.close()


def _time(connection: sqlite3.Connection, work: Insert) -> float:
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    work(connection)
    connection.execute("COMMIT")
    return time.perf_counter() - began


def _rows(part: Part) -> list[Row]:
    return [(number, part.product_id, name, _CREATED_AT) for number, name in enumerate(part.names, part.first_id)]


def _name(row: Row) -> str:
    return row[2]


def _cut(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))


def _block(rows: Sequence[Row]) -> tuple[str, list[object]]:
    return f"{_COLUMNS} VALUES {', '.join([_VALUES] * len(rows))}", list(chain.from_iterable(rows))
