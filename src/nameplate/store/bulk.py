"""Bulk rows: what is written in the driver's own fastest way, and so differs from database to database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import insert

from nameplate.store.database import Database

# SQLite reads the JSON itself: one statement for a part, no Python object per row, and the GIL is free meanwhile. In
# the order of names each page of the index is looked for once, not once per name.
_CREATE: Final = """
INSERT INTO device (id, product_id, name, created_at)
SELECT ? + key, ?, value, ? FROM json_each(?) WHERE true ORDER BY value
ON CONFLICT (product_id, name) DO NOTHING
"""
_NAME: Final = "UPDATE device SET nickname = ? WHERE id = ?"
_TAKEN: Final = """
SELECT row.value FROM json_each(?) AS row CROSS JOIN device
WHERE device.product_id = ? AND device.name = row.value
"""
_CREATED: Final = "SELECT id FROM device WHERE id BETWEEN ? AND ?"


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row and return True, or return False if one of its keys is taken."""
    return connection.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount == 1


def taken(database: Database, product_id: int, names: Iterable[str]) -> set[str]:
    """Return which of some names the product has a device for."""
    sent = orjson.dumps(sorted(names)).decode()
    return {name for (name,) in database.reader().execute(_TAKEN, (sent, product_id))}


def create_devices(
    connection: Connection, first_id: int, product_id: int, names: str, rows: int, now: int
) -> list[int]:
    """Create a device for each of the `rows` names in a JSON array, with ids from `first_id` up.

    Returns the ordinals of names that were taken; their ids stay unused.
    """
    created = connection.exec_driver_sql(_CREATE, (first_id, product_id, now, names)).rowcount
    if created == rows:
        return []
    ids = set(connection.exec_driver_sql(_CREATED, (first_id, first_id + rows - 1)).scalars())
    return [ordinal for ordinal in range(rows) if first_id + ordinal not in ids]


def set_nicknames(connection: Connection, first_id: int, nicknames: Sequence[str | None]) -> None:
    """Give the devices with ids from `first_id` up their nicknames; those without one are left alone."""
    values = [(nickname, first_id + ordinal) for ordinal, nickname in enumerate(nicknames) if nickname is not None]
    if values:
        connection.exec_driver_sql(_NAME, values)
