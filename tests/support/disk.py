"""What is on disk while a server runs on it."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 30


def dump(data_dir: Path) -> list[str]:
    """Everything in the database."""
    with closing(sqlite3.connect(f"file:{data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def wait_until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def read(data_dir: Path, sql: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(f"file:{data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()
