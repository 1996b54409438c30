"""Bulk rows on SQLite.

It reads the JSON itself: one statement for many rows, no Python object per row, and the GIL is free meanwhile.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence
from operator import le
from typing import Final

import orjson
from sqlalchemy import Connection

from nameplate.domain.pace import SLOW_PART_SECONDS
from nameplate.store.database import Bulk, Existing, NewDevices, missing

# In the order of names each page of the index is looked for, and written, once and not once per name. Parts done
# together are of one product, so that it need not be sorted by; if they were not, it would only be slower.
_CREATE: Final = """
INSERT INTO device (id, product_id, name, created_at)
WITH part (first_id, product_id, names) AS (VALUES {parts})
SELECT first_id + key, product_id, value, ? FROM part, json_each(part.names) WHERE true {order}
ON CONFLICT (product_id, name) DO NOTHING
"""
_IN_ORDER: Final = "ORDER BY value"
_LOOKS: Final = 64
_NAME_AT: Final = re.compile(r'[,\[]"([^"]*)"')
_IMPORT: Final = """
INSERT INTO device (id, product_id, name, created_at, nickname, sn, secret)
SELECT {number}, :product_id, value, :now, CAST({nickname} AS TEXT), CAST({sn} AS TEXT), {secret}
FROM json_each(:names) WHERE true ORDER BY value ON CONFLICT (product_id, name) DO NOTHING
"""
_DIGITS: Final = 19
_COUNTED: Final = "nullif(substr(:{0}, 4 + key * {1}, CAST(substr(:{0}, 1 + key * {1}, 3) AS INTEGER)), x'')"
_NAME: Final = "UPDATE device SET nickname = ? WHERE id = ?"
_TAKEN: Final = """
SELECT row.value FROM json_each(?) AS row CROSS JOIN device
WHERE device.product_id = ? AND device.name = row.value
"""
_NAMED: Final = """
SELECT device.id, device.name, nickname, sn, secret, generation FROM json_each(?) AS row CROSS JOIN device
WHERE device.product_id = ? AND device.name = row.value
"""
_BETWEEN: Final = "SELECT name FROM device WHERE product_id = ? AND name BETWEEN ? AND ? LIMIT ?"


class SqliteBulk(Bulk):
    """Rows by the ten thousand on SQLite."""

    # Onto millions of random names a part costs half a second, nearly all of it for pages of the index that the next
    # part writes again. Thirty-two parts at once cost three seconds, and everybody else waits for as long.
    most_parts = 32
    brief_seconds = SLOW_PART_SECONDS

    def __init__(self, reader: Callable[[], sqlite3.Connection]) -> None:
        self._reader = reader

    def create_devices(self, connection: Connection, parts: Sequence[NewDevices], now: int) -> list[list[int]]:
        """Create the devices of every part."""
        self.hold_products(connection, {part.product_id for part in parts})
        plain = [part for part in parts if part.is_plain]
        created = _create(connection, plain, now) if plain else 0
        created += sum(_import(connection, part, now) for part in parts if not part.is_plain)
        if created == sum(part.rows for part in parts):
            return [[] for _ in parts]
        return [missing(connection, part) for part in parts]

    def _between(self, product_id: int, first: str, last: str, most: int) -> set[str]:
        return {name for (name,) in self._reader().execute(_BETWEEN, (product_id, first, last, most))}

    def _taken(self, product_id: int, lists: Sequence[Sequence[str]]) -> set[str]:
        # One by one: to put the names of all in one order would keep every other thread waiting.
        reader, sent = self._reader(), (orjson.dumps(ordered).decode() for ordered in lists)
        return {name for names in sent for (name,) in reader.execute(_TAKEN, (names, product_id))}

    def _named(self, product_id: int, ordered: Sequence[str]) -> list[Existing]:
        sent = orjson.dumps(ordered).decode()
        return [Existing(*row) for row in self._reader().execute(_NAMED, (sent, product_id))]


def _create(connection: Connection, parts: Sequence[NewDevices], now: int) -> int:
    values = tuple(value for part in parts for value in (part.first_id, part.product_id, part.names))
    # As serial numbers come. To sort them is a fifth of what creating them takes.
    order = "" if all(_seems_sorted(part.names) for part in parts) else _IN_ORDER
    statement = _CREATE.format(parts=", ".join(["(?, ?, ?)"] * len(parts)), order=order)
    created = connection.exec_driver_sql(statement, (*values, now)).rowcount
    for part in parts:
        _set_nicknames(connection, part)
    return created


def _seems_sorted(names: str) -> bool:
    """Whether a few names of a JSON array, as far apart as one another, come in their order.

    To read all of them takes a millisecond, for which everybody else would wait; and rows that are not quite in order
    are only written more slowly.
    """
    starts = range(0, len(names), max(1, len(names) // _LOOKS))
    looks = [_NAME_AT.search(names, start) for start in starts]
    few = [look[1] for look in looks if look]
    return all(map(le, few, few[1:]))


def _import(connection: Connection, part: NewDevices, now: int) -> int:
    # JSON has no bytes, and an array of it is not looked into by place. So beside the names each column is one value
    # in which every row has as much room: row by row it would cost twice as much, with the GIL taken for each.
    columns: dict[str, Sequence[bytes | None] | None] = {
        "nickname": _texts(part.nicknames),
        "sn": _texts(part.sns),
        "secret": part.secrets,
    }
    values: dict[str, object] = {"product_id": part.product_id, "now": now, "names": part.names}
    selected = {"number": f"{part.first_id} + key"}
    if part.ids is not None:
        columns["number"] = [b"%0*d" % (_DIGITS, number) for number in part.ids]
    for name, column in columns.items():
        selected[name], values[name] = _column(name, column)
    selected["number"] = f"CAST({selected['number']} AS INTEGER)"
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # untyped there
    return driver.execute(_IMPORT.format(**selected), values).rowcount


def _texts(written: str | None) -> list[bytes | None] | None:
    return None if written is None else [text and text.encode() for text in orjson.loads(written)]


def _column(name: str, column: Sequence[bytes | None] | None) -> tuple[str, bytes | None]:
    """Return what selects a row's value of a column, and the value that has them all."""
    values = [value or b"" for value in column or ()]
    width = max(map(len, values), default=0)
    if not width:
        return "NULL", None
    if min(map(len, values)) == width:
        return f"substr(:{name}, 1 + key * {width}, {width})", b"".join(values)
    width += 3
    return _COUNTED.format(name, width), b"".join([(b"%03d%b" % (len(value), value)).ljust(width) for value in values])


def _set_nicknames(connection: Connection, part: NewDevices) -> None:
    nicknames = orjson.loads(part.nicknames or "[]")
    values = [(nickname, number) for number, nickname in enumerate(nicknames, part.first_id) if nickname is not None]
    if values:
        connection.exec_driver_sql(_NAME, values)
