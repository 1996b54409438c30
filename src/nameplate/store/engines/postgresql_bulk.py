"""Bulk rows on PostgreSQL: a binary COPY; where names are taken already, a staged INSERT that leaves them out."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, islice
from struct import Struct
from typing import Any, Final, LiteralString

import orjson
import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nameplate.store.database import Bulk, NewDevices, missing

_COLUMNS: Final = "id, product_id, created_at, name, nickname"
_CREATE: Final = f"COPY device ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_STAGE: Final = """
CREATE TEMPORARY TABLE stage (id bigint, product_id integer, created_at bigint, name text COLLATE "C", nickname text)
ON COMMIT DROP
"""
_FILL_STAGE: Final = f"COPY stage ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
# In the order of names, so that two that race for the same ones cannot wait for each other.
_CREATE_FREE: Final = f"""
INSERT INTO device ({_COLUMNS}) SELECT {_COLUMNS} FROM stage ORDER BY product_id, name
ON CONFLICT (product_id, name) DO NOTHING
"""  # noqa: S608 (no value of a caller's)
_HOLD: Final = "SELECT id FROM product WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"

_BETWEEN: Final[LiteralString] = "SELECT name FROM device WHERE product_id = %s AND name BETWEEN %s AND %s LIMIT %s"
# One look into the index for each name, whatever the planner believes of the table. Of one that has grown since it was
# last analysed it believes too little, and a plain join then reads every device of the product.
_TAKEN: Final[LiteralString] = """
SELECT sought.name FROM string_to_table(%s, E'\\n') AS sought (name)
CROSS JOIN LATERAL (
    SELECT 1 FROM device WHERE device.product_id = %s AND device.name = sought.name COLLATE "C" LIMIT 1
) AS found
"""

# One row of a binary COPY but for the name itself and the nickname: how many columns there are, and each one's length
# before it. Packed by hand it costs half of what the driver's row by row does.
_ROW: Final = Struct(">hiqiiiqi")
_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = b"\xff\xff"
_ROWS_AT_ONCE: Final = 1_000
_NULL: Final = b"\xff\xff\xff\xff"

Run = Callable[[Callable[[psycopg.Connection[Any]], set[str]]], set[str]]


class PostgresBulk(Bulk):
    """Rows by the ten thousand on PostgreSQL."""

    most_parts = 1

    def __init__(self, run: Run) -> None:
        self._run = run

    def hold_products(self, connection: Connection, ids: Collection[int]) -> None:
        """Keep products from being deleted: a lock on each, instead of a look at it for each of its devices."""
        # A foreign key is looked up row by row, and that costs more than the rows themselves.
        held = connection.exec_driver_sql(_HOLD, (list(ids),)).scalars().all()
        if len(held) != len(ids):
            message = f"There is no product {min(set(ids).difference(held))}."
            raise LookupError(message)

    def create_devices(self, connection: Connection, parts: Sequence[NewDevices], now: int) -> list[list[int]]:
        """Create the devices of every part."""
        self.hold_products(connection, {part.product_id for part in parts})
        try:
            with connection.begin_nested():
                _copy(connection, _CREATE, _rows(parts, now))
        except (DBAPIError, psycopg.Error) as error:
            if not _is_taken(error):
                raise
        else:
            return [[] for _ in parts]
        connection.exec_driver_sql(_STAGE)
        _copy(connection, _FILL_STAGE, _rows(parts, now))
        connection.exec_driver_sql(_CREATE_FREE)
        return [missing(connection, part) for part in parts]

    def _between(self, product_id: int, first: str, last: str, most: int) -> set[str]:
        return self._names(_BETWEEN, (product_id, first, last, most))

    def _taken(self, product_id: int, ordered: Sequence[str]) -> set[str]:
        return self._names(_TAKEN, ("\n".join(ordered), product_id))

    def _names(self, query: LiteralString, values: tuple[object, ...]) -> set[str]:
        return self._run(lambda connection: {name for (name,) in connection.execute(query, values)})


def _rows(parts: Sequence[NewDevices], now: int) -> Iterator[bytes]:
    """Write the rows of a binary COPY, in the order of products and names."""
    for product_id, group in groupby(sorted(parts, key=_product), key=_product):
        names: list[bytes] = []
        nicknames: list[bytes] = []
        ids: list[int] = []
        for part in group:
            names += map(str.encode, orjson.loads(part.names))
            nicknames += [_NULL] * part.rows if part.nicknames is None else map(_text, orjson.loads(part.nicknames))
            ids += range(part.first_id, part.first_id + part.rows)
        pack = _ROW.pack
        for row in sorted(range(len(names)), key=names.__getitem__):
            name = names[row]
            yield pack(5, 8, ids[row], 4, product_id, 8, now, len(name)) + name + nicknames[row]


def _product(part: NewDevices) -> int:
    return part.product_id


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


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
