"""What the disk and SQLite give: the same rows, `executemany`, one durable transaction per batch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nameplate.domain.device import first_id
from nameplate.store.engines import SqliteDatabase

_INSERT: Final = "INSERT INTO device (id, product_id, name, created_at) VALUES (?, ?, ?, ?)"
_CREATED_AT: Final = 1_700_000_000_000

Row = tuple[int, int, str, int]


def insert(data_dir: Path, batches: Sequence[Sequence[str]]) -> list[float]:
    """Insert every batch's names into an installation's own database and return how long each took, in seconds.

    The schema, the product that the rows belong to and the connection with its pragmas are Nameplate's.
    """
    database = SqliteDatabase(data_dir / "nameplate.db")
    lent = database.engine.raw_connection()
    try:
        connection = lent.driver_connection
        assert connection is not None
        (product,) = connection.execute("SELECT id FROM product").fetchone()
        # Rows are made before the clock starts, as calls are signed before it starts.
        parts = [_rows(product, number, names) for number, names in enumerate(batches, start=1)]
        seconds = []
        for rows in parts:
            began = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
            seconds.append(time.perf_counter() - began)
        return seconds
    finally:
        lent.close()
        database.close()


def _rows(product: int, batch: int, names: Sequence[str]) -> list[Row]:
    return [(number, product, name, _CREATED_AT) for number, name in enumerate(names, start=first_id(batch))]
