"""Bulk rows: what is written in the driver's own fastest way, and so differs from database to database."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.sqlite import insert

from nameplate.store.database import Database

# SQLite reads the JSON itself: one statement for a part, no Python object per row, and the GIL is free meanwhile.
_CREATE: Final = """
INSERT INTO device (id, product_id, name, created_at)
SELECT ? + key, ?, value, ? FROM json_each(?) WHERE true
ON CONFLICT (product_id, name) DO NOTHING
"""
_NAME: Final = "UPDATE device SET nickname = ? WHERE id = ?"
_TAKEN: Final = """
SELECT row.key FROM json_each(?) AS row CROSS JOIN device
WHERE device.product_id = ? AND device.name = row.value AND device.id NOT BETWEEN ? AND ?
ORDER BY row.key
"""
_NO_ID: Final = -1


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row and return True, or return False if one of its keys is taken."""
    return connection.execute(insert(table).values(**values).on_conflict_do_nothing()).rowcount == 1


def taken(database: Database, product_id: int, names: str) -> list[int]:
    """Return the ordinals in `names`, a JSON array, of names that the product has a device for."""
    found = database.reader().execute(_TAKEN, (names, product_id, _NO_ID, _NO_ID))
    return [ordinal for (ordinal,) in found]


def create_devices(
    connection: Connection, first_id: int, product_id: int, names: str, rows: int, now: int
) -> list[int]:
    """Create a device for each of the `rows` names in a JSON array, with ids from `first_id` up.

    Returns the ordinals of names that were taken; their ids stay unused.
    """
    created = connection.exec_driver_sql(_CREATE, (first_id, product_id, now, names)).rowcount
    if created == rows:
        return []
    values = (names, product_id, first_id, first_id + rows - 1)
    return list(connection.exec_driver_sql(_TAKEN, values).scalars())


def set_nicknames(connection: Connection, first_id: int, nicknames: Sequence[str | None]) -> None:
    """Give the devices with ids from `first_id` up their nicknames; those without one are left alone."""
    values = [(nickname, first_id + ordinal) for ordinal, nickname in enumerate(nicknames) if nickname is not None]
    if values:
        connection.exec_driver_sql(_NAME, values)
