"""SQLite's log: copied into the file beside the writers, and begun anew."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Lock, Thread
from typing import NoReturn

import pytest

from nameplate.store.engines import SqliteDatabase
from nameplate.store.engines.sqlite_checkpoints import LOG_BYTES, Checkpoints
from tests.support.disk import wait_until

ROW_BYTES = 1_000_000
LOG_ROWS = LOG_BYTES // ROW_BYTES + 1
# While it is copied others write, here as fast as the disk takes it; each pass leaves as much as was written meanwhile.
MOST_BYTES = 6 * LOG_BYTES


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "some.db")
    with opened.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE some (number INTEGER PRIMARY KEY, bytes BLOB)")
    yield opened
    opened.close()


def write(database: SqliteDatabase, rows: int = 1) -> None:
    for _ in range(rows):
        with database.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO some (bytes) VALUES (randomblob(?))", (ROW_BYTES,))


def log_bytes(database: SqliteDatabase) -> int:
    return Path(f"{database.path}-wal").stat().st_size


def count(database: SqliteDatabase) -> int:
    """How many rows there are, read past the database's own connections."""
    with closing(sqlite3.connect(database.path)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM some").fetchone()
    return int(found)


def begins_anew(database: SqliteDatabase) -> Callable[[], bool]:
    """Write a row each time it is asked whether the log has become short again."""

    def is_so() -> bool:
        write(database)
        return log_bytes(database) <= LOG_BYTES

    return is_so


def test_the_log_stays_bounded_while_much_more_is_written(database: SqliteDatabase) -> None:
    longest = 0
    for _ in range(8 * LOG_ROWS):
        write(database)
        longest = max(longest, log_bytes(database))
    assert LOG_BYTES < longest < MOST_BYTES
    wait_until(begins_anew(database))
    # What is in the file is not in the log alone.
    assert database.path.stat().st_size > 6 * LOG_BYTES


def test_no_commit_makes_a_checkpoint_itself(database: SqliteDatabase) -> None:
    """Everybody else would wait for it."""
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0


def test_who_reads_for_long_keeps_the_log_and_loses_nothing(database: SqliteDatabase) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM some").fetchone() == (0,)
        write(database, LOG_ROWS + 10)
        assert log_bytes(database) > LOG_BYTES
        assert reader.execute("SELECT count(*) FROM some").fetchone() == (0,)
    wait_until(begins_anew(database))
    assert count(database) > LOG_ROWS


def test_closing_waits_for_the_checkpoint_under_way(database: SqliteDatabase) -> None:
    write(database, LOG_ROWS)
    database.close()
    assert count(database) == LOG_ROWS
    assert not Path(f"{database.path}-wal").exists()


def test_a_thread_that_cannot_be_had_harms_nobody_and_is_asked_for_again(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", refuse)
        write(database, LOG_ROWS)
    assert count(database) == LOG_ROWS
    wait_until(begins_anew(database))


def refuse(_: Thread) -> NoReturn:
    message = "can't start new thread"
    raise RuntimeError(message)


def test_a_checkpoint_that_cannot_be_made_is_said_once_and_tried_again(
    database: SqliteDatabase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail() -> sqlite3.Connection:
        tried.append(1)
        message = "disk I/O error"
        raise sqlite3.OperationalError(message)

    monkeypatch.setattr("nameplate.store.engines.sqlite_checkpoints._PAUSE_SECONDS", 0)
    write(database, LOG_ROWS)
    checkpoints = Checkpoints(Path(f"{database.path}-wal"), fail, Lock())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            checkpoints.make_if_due()
            checkpoints.wait()
    assert len(tried) == 2
    (said,) = [record.getMessage() for record in caplog.records]
    assert "some.db-wal" in said
    assert "disk I/O error" in said
