"""Bulk rows on SQLite.

It reads the JSON itself: one statement for many rows, no Python object per row, and the GIL is free meanwhile.
"""

import sqlite3
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

import orjson
from sqlalchemy import Connection

from nameplate.store.database import Bulk, Existing, NewDevices, missing

# In the order of names each page of the index is looked for, and written, once and not once per name.
_CREATE: Final = """
INSERT INTO device (id, product_id, name, created_at)
WITH part (first_id, product_id, names) AS (VALUES {})
SELECT first_id + key, product_id, value, ? FROM part, json_each(part.names) WHERE true ORDER BY product_id, value
ON CONFLICT (product_id, name) DO NOTHING
"""
_IMPORT: Final = """
INSERT INTO device (id, product_id, name, created_at, nickname, sn, secret) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (product_id, name) DO NOTHING
"""
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

    def _taken(self, product_id: int, ordered: Sequence[str]) -> set[str]:
        sent = orjson.dumps(ordered).decode()
        return {name for (name,) in self._reader().execute(_TAKEN, (sent, product_id))}

    def _named(self, product_id: int, ordered: Sequence[str]) -> list[Existing]:
        sent = orjson.dumps(ordered).decode()
        return [Existing(*row) for row in self._reader().execute(_NAMED, (sent, product_id))]


def _create(connection: Connection, parts: Sequence[NewDevices], now: int) -> int:
    values = tuple(value for part in parts for value in (part.first_id, part.product_id, part.names))
    statement = _CREATE.format(", ".join(["(?, ?, ?)"] * len(parts)))
    created = connection.exec_driver_sql(statement, (*values, now)).rowcount
    for part in parts:
        _set_nicknames(connection, part)
    return created


def _import(connection: Connection, part: NewDevices, now: int) -> int:
    # JSON has no bytes, so these go row by row.
    nothing = [None] * part.rows
    names = orjson.loads(part.names)
    columns = (names, *(orjson.loads(texts) if texts else nothing for texts in (part.nicknames, part.sns)))
    rows = zip(part.numbers, *columns, part.secrets or nothing, strict=True)
    ordered = sorted(rows, key=itemgetter(1))
    values = [(number, part.product_id, name, now, nick, sn, secret) for number, name, nick, sn, secret in ordered]
    return connection.exec_driver_sql(_IMPORT, values).rowcount


def _set_nicknames(connection: Connection, part: NewDevices) -> None:
    nicknames = orjson.loads(part.nicknames or "[]")
    values = [(nickname, number) for number, nickname in enumerate(nicknames, part.first_id) if nickname is not None]
    if values:
        connection.exec_driver_sql(_NAME, values)
