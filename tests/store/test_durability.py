"""Which transactions wait for the disk, and when."""

import os
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import Connection, event

from nameplate.call import Registry
from nameplate.refusal import RefusedError
from nameplate.store.engines import SqliteDatabase, sqlite
from tests.support.account import Account

WAITS = {"PRAGMA synchronous": (2, 1), "SHOW synchronous_commit": ("on", "off")}


@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)])
def test_a_transaction_waits_for_the_disk_unless_it_says_otherwise(registry: Registry, order: tuple[bool, ...]) -> None:
    database = registry.store.database
    question = "PRAGMA synchronous" if database.is_embedded else "SHOW synchronous_commit"
    for durable in order:
        with database.transaction(durable=durable) as connection:
            found = connection.exec_driver_sql(question).scalar()
        assert found == WAITS[question][0 if durable else 1]


def test_a_state_that_has_been_shown_is_not_taken_back(registry: Registry) -> None:
    """Else a batch that was CHECK_SUCCESS is in CHECK again after a crash, and refuses to be created."""
    account, database = Account(registry), registry.store.database
    product = account.product()
    # With one between the names it takes a worker to check them.
    account.register(product, "pump-15")
    names = ["pump-1", "pump-2"]
    batch = account.call("BatchCheckDeviceNames", product_key=product, device_name=names)["Data"]["ApplyId"]
    question = "PRAGMA synchronous" if database.is_embedded else "SHOW synchronous_commit"
    states: dict[str, set[object]] = defaultdict(set)

    def look(connection: Connection) -> None:
        state = connection.exec_driver_sql(f"SELECT state FROM batch WHERE id = {batch}").scalar_one()  # noqa: S608 (a number)
        states[state].add(connection.exec_driver_sql(question).scalar())

    event.listen(database.engine, "commit", look)
    account.work()
    assert states == {"CHECK": {WAITS[question][1]}, "CHECK_SUCCESS": {WAITS[question][0]}}


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    opened = SqliteDatabase(tmp_path / "some.db")
    with opened.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE some (number INTEGER)")
    return opened


def count(database: SqliteDatabase) -> int:
    (found,) = database.reader().execute("SELECT count(*) FROM some").fetchone()
    return int(found)


def test_what_is_seen_early_is_there_for_others_before_the_disk_has_it_and_for_its_caller_after(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, int]] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: flushed.append((str(Path(f"/proc/self/fd/{file}").readlink()), count(database)))
    )
    with database.transaction(seen_early=True) as connection:
        connection.exec_driver_sql("INSERT INTO some VALUES (1)")
    assert flushed == [(f"{database.path}-wal", 1)]


def test_who_waits_for_what_others_show_waits_for_the_disk(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> NoReturn:
        raise OSError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RefusedError):
        database.flush()
    with pytest.raises(RefusedError), database.transaction(seen_early=True) as connection:
        connection.exec_driver_sql("INSERT INTO some VALUES (1)")
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO some VALUES (2)")


def test_where_there_is_no_log_there_is_nothing_to_wait_for(database: SqliteDatabase) -> None:
    database.close()
    assert not Path(f"{database.path}-wal").exists()
    database.flush()


def test_a_transaction_that_has_failed_leaves_nothing_for_the_next(database: SqliteDatabase) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO some VALUES (1)")
            connection.exec_driver_sql("INSERT INTO another VALUES (1)")

    for _ in range(2):
        with pytest.raises(RefusedError):
            fail()
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO some VALUES (2)")
    assert count(database) == 1


def test_a_file_that_another_program_has_locked_is_not_to_be_had_and_later_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    database = SqliteDatabase(tmp_path / "some.db")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(RefusedError), database.transaction():
            pass
    other.execute("COMMIT")
    other.close()
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE some (number INTEGER)")
    assert count(database) == 0
