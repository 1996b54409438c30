"""Bulk rows on PostgreSQL: a binary COPY; where names are taken already, a staged INSERT that leaves them out."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, islice, repeat
from struct import Struct
from typing import Any, Final, LiteralString, Protocol, TypeVar

import orjson
import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nameplate.store.database import Bulk, Existing, NewDevices, is_sorted, missing

_COLUMNS: Final = "id, product_id, created_at, name, nickname"
_IMPORTED: Final = f"{_COLUMNS}, sn, secret"
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

# What every row of a binary COPY has before its id, and between that and its name: how many columns there are, and each
# one's length before it. Joined from whole columns it costs half of what the driver's row by row does.
_BEGIN: Final = Struct(">hi")
_MIDDLE: Final = Struct(">iiiqi")
_ID: Final = Struct(">q")
_SIZE: Final = Struct(">i")
_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = b"\xff\xff"
_ROWS_AT_ONCE: Final = 1_000
_NULL: Final = b"\xff\xff\xff\xff"

_Column = list[bytes] | None
_Found = TypeVar("_Found")


class Run(Protocol):
    """Runs a query on the thread's own connection."""

    def __call__(self, query: Callable[[psycopg.Connection[Any]], _Found]) -> _Found:
        """Return what it returns."""


class PostgresBulk(Bulk):
    """Rows by the ten thousand on PostgreSQL."""

    # It is a claim and a commit that are saved; with more parts no more of them shows.
    most_parts = 4

    def __init__(self, run: Run) -> None:
        self._run = run

    def create_devices(self, connection: Connection, parts: Sequence[NewDevices], now: int) -> list[list[int]]:
        """Create the devices of every part."""
        # One lock on a product; a foreign key would be looked up row by row, at more than the rows themselves cost.
        self.hold_products(connection, {part.product_id for part in parts})
        columns = _COLUMNS if all(part.secrets is None and part.sns is None for part in parts) else _IMPORTED
        try:
            with connection.begin_nested():
                _copy(connection, _COPY.format(table="device", columns=columns), _rows(parts, now, columns))
        except (DBAPIError, psycopg.Error) as error:
            if not _is_taken(error):
                raise
        else:
            return [[] for _ in parts]
        connection.exec_driver_sql(_STAGE)
        _copy(connection, _COPY.format(table="stage", columns=columns), _rows(parts, now, columns))
        connection.exec_driver_sql(_CREATE_FREE.format(columns=columns))
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


def _rows(parts: Sequence[NewDevices], now: int, columns: str) -> Iterator[bytes]:
    """Write the rows of a binary COPY, in the order of products and names."""
    begin = _BEGIN.pack(columns.count(",") + 1, _ID.size)
    for product_id, group in groupby(sorted(parts, key=_product), key=_product):
        # A row is never put together in Python: columns are made as a whole, and `zip` and `join` do the rest.
        numbers, names, rest = _in_order(*_columns([*group], columns))
        middle = {size: _MIDDLE.pack(4, product_id, 8, now, size) for size in set(map(len, names))}
        middles = map(middle.__getitem__, map(len, names))
        others = [repeat(_NULL) if column is None else column for column in rest]
        yield from map(b"".join, zip(repeat(begin), map(_ID.pack, numbers), middles, names, *others, strict=False))


def _columns(parts: Sequence[NewDevices], columns: str) -> tuple[list[int], list[bytes], list[_Column]]:
    """Return the ids and the names of parts, and the other columns in which rows differ."""
    numbers = [number for part in parts for number in part.numbers]
    names = [name.encode() for part in parts for name in orjson.loads(part.names)]
    rest: list[list[Sequence[bytes | None] | None]] = [[_texts(part.nicknames) for part in parts]]
    if columns == _IMPORTED:
        rest += [[_texts(part.sns) for part in parts], [part.secrets for part in parts]]
    rows = [part.rows for part in parts]
    return numbers, names, [_sized(column, rows) for column in rest]


def _in_order(
    numbers: list[int], names: list[bytes], rest: list[_Column]
) -> tuple[list[int], list[bytes], list[_Column]]:
    """Put the rows of columns in the order of names."""
    if is_sorted(names):
        return numbers, names, rest
    order = sorted(range(len(names)), key=names.__getitem__)
    moved: list[_Column] = [None if column is None else [column[row] for row in order] for column in rest]
    return [numbers[row] for row in order], [names[row] for row in order], moved


def _texts(written: str | None) -> list[bytes | None] | None:
    return None if written is None else [text and text.encode() for text in orjson.loads(written)]


def _sized(parts: Sequence[Sequence[bytes | None] | None], rows: Sequence[int]) -> _Column:
    """Write a column of parts, the length before each value; None if no part has it."""
    if all(part is None for part in parts):
        return None
    values = [*chain.from_iterable(part or repeat(None, count) for part, count in zip(parts, rows, strict=True))]
    sizes = {size: _SIZE.pack(size) for size in {len(value) for value in values if value is not None}}
    return [_NULL if value is None else sizes[len(value)] + value for value in values]


def _product(part: NewDevices) -> int:
    return part.product_id


def _copy(connection: Connection, statement: str, rows: Iterator[bytes]) -> None:
    """Send rows a thousand at a time, so that the server reads some while others are packed."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # untyped there
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEAD)
        while some := b"".join(islice(rows, _ROWS_AT_ONCE)):
            copy.write(some)
        copy.write(_TAIL)


def _is_taken(error: Exception) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    # A shard that is elsewhere loses the code.
    return code == "23505" or (code == "XX000" and "duplicate key" in str(cause))
