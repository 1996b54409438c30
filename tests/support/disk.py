"""What is in a database, read past the program that it belongs to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, NullPool, create_engine, inspect, text

PATIENCE: Final = 30
# They are written all the time, whatever is done to batches: who is at work, and which calls were made.
_RESTLESS: Final = frozenset({"worker", "nonce"})


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection that nobody else uses; committed at the end."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def read(url: str, sql: str, **values: object) -> list[Any]:
    with opened(url) as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def execute(url: str, *statements: str) -> None:
    with opened(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def dump(url: str) -> list[str]:
    """Everything that is lasting in the database."""
    with opened(url) as connection:
        tables = sorted(set(inspect(connection).get_table_names()) - _RESTLESS)
        return [
            f"{table}: {row}"
            for table in tables
            for row in sorted(str(tuple(row)) for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'))  # noqa: S608 (its own table's name)
        ]


def wait_until(is_so: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
