import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from nameplate.refusal import RefusedError
from nameplate.store.database import Database
from nameplate.store.engines import PostgresDatabase, SqliteDatabase, open_database
from nameplate.store.engines.postgresql_nonces import PostgresNonces
from nameplate.store.engines.sqlite_nonces import SqliteNonces
from nameplate.store.nonces import PURGE_EVERY, Nonces, Slices
from tests.support.databases import Databases

SECOND = 1_000
MINUTE = 60 * SECOND
SLICES = 32


@pytest.fixture
def database(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    opened: Database
    if engine == "sqlite":
        opened = SqliteDatabase(tmp_path / "nonces.db", durable=False)
    else:
        opened = open_database(request.getfixturevalue("databases").new())
    yield opened
    opened.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "nonces.db", durable=False)
    yield opened
    opened.close()


def open_nonces(database: Database) -> Nonces:
    """Open the nonces as another process would."""
    if isinstance(database, PostgresDatabase):
        return PostgresNonces(database)
    assert isinstance(database, SqliteDatabase)
    return SqliteNonces(database)


def test_a_nonce_is_taken_once(database: Database) -> None:
    nonces = open_nonces(database)
    assert nonces.take("key", "nonce", 0)
    assert not nonces.take("key", "nonce", 0)
    assert nonces.take("key", "another", 0)
    assert nonces.take("another", "nonce", 0)


def test_a_nonce_is_remembered_for_31_minutes(database: Database) -> None:
    nonces = open_nonces(database)
    nonces.take("key", "nonce", 0)
    assert not nonces.take("key", "nonce", 31 * MINUTE - SECOND)
    assert nonces.take("key", "nonce", 31 * MINUTE)
    assert not nonces.take("key", "nonce", 31 * MINUTE)


def test_a_nonce_is_remembered_when_the_clock_goes_back(database: Database) -> None:
    nonces = open_nonces(database)
    nonces.take("key", "nonce", 60 * MINUTE)
    assert not nonces.take("key", "nonce", 0)


def test_a_nonce_is_remembered_by_the_next_process(database: Database) -> None:
    nonces = open_nonces(database)
    nonces.take("key", "nonce", 0)
    nonces.commit()
    assert not open_nonces(database).take("key", "nonce", 0)


def test_one_commit_is_for_every_nonce_that_was_taken(database: Database) -> None:
    nonces = open_nonces(database)
    nonces.take("key", "1", 0)
    nonces.take("key", "2", 0)
    nonces.commit()
    nonces.commit()
    again = open_nonces(database)
    assert [again.take("key", nonce, 0) for nonce in ("1", "2", "3")] == [False, False, True]


def test_of_many_callers_with_one_nonce_one_gets_it(database: Database) -> None:
    nonces = open_nonces(database)
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            taken = list(pool.map(lambda _, n=number: nonces.take("key", str(n), 0), range(16)))
            assert taken.count(True) == 1


def test_of_many_callers_with_a_nonce_each_everyone_gets_it(database: Database) -> None:
    nonces = open_nonces(database)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda number: nonces.take("key", str(number), 0), range(500)))


def test_old_nonces_are_forgotten_and_no_other(beside: SqliteDatabase) -> None:
    """A slice of the table at a time: after so many commits each has had its turn."""
    nonces = SqliteNonces(beside, Slices(SLICES))
    for number in range(500):
        nonces.take("key", str(number), 0)
        nonces.take("key", f"young {number}", 60 * MINUTE)
    for number in range(SLICES * PURGE_EVERY):
        nonces.take("key", f"later {number % 7}", 60 * MINUTE)
        nonces.commit()
    with sqlite3.connect(beside.path) as connection:
        rows = connection.execute("SELECT taken_at, count(*) FROM nonce GROUP BY taken_at").fetchall()
    connection.close()
    assert rows == [(3_600, 507)]


def test_old_nonces_of_a_shared_table_are_forgotten_and_no_other(databases: Databases) -> None:
    with databases.one() as url:
        database = open_database(url)
        assert isinstance(database, PostgresDatabase)
        with database.transaction() as connection:
            old = text("INSERT INTO nonce SELECT sha256(i::text::bytea), i % 2 * 3600 FROM generate_series(1, 1000) i")
            connection.execute(old)
        nonces = PostgresNonces(database, Slices(SLICES))
        for _ in range(SLICES * PURGE_EVERY):
            nonces.take("key", "later", 60 * MINUTE)
        with database.transaction() as connection:
            rows = connection.execute(text("SELECT taken_at, count(*) FROM nonce GROUP BY taken_at")).all()
        database.close()
    assert rows == [(3_600, 501)]


def test_what_goes_wrong_is_told_to_the_caller_and_leaves_no_transaction(beside: SqliteDatabase) -> None:
    nonces = SqliteNonces(beside)
    with sqlite3.connect(beside.path) as connection:
        connection.execute("ALTER TABLE nonce RENAME TO gone")
    with pytest.raises(RefusedError) as refused:
        nonces.take("key", "nonce", 0)
    assert (refused.value.code, refused.value.reason) == ("ServiceUnavailable", "no such table: nonce")
    with connection:
        connection.execute("ALTER TABLE gone RENAME TO nonce")
    connection.close()
    assert nonces.take("key", "nonce", 0)


def test_a_nonce_whose_transaction_failed_is_remembered_by_the_next(beside: SqliteDatabase) -> None:
    """Somebody who took it before the failure may commit after it, and must not be told a lie."""
    nonces = SqliteNonces(beside)
    assert nonces.take("key", "taken before", 0)
    nonces._connection.rollback()  # noqa: SLF001 (what SQLite does when the disk is full)
    assert nonces.take("key", "taken after", 0)
    nonces.commit()
    again = SqliteNonces(beside)
    assert [again.take("key", nonce, 0) for nonce in ("taken before", "taken after")] == [False, False]
