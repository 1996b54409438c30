import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nameplate.store.engines import SqliteDatabase as Database
from nameplate.store.engines.sqlite_nonces import SqliteNonces as Nonces

SECOND = 1_000
MINUTE = 60 * SECOND


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "nonces.db", durable=False)
    yield opened
    opened.close()


def test_a_nonce_is_taken_once(database: Database) -> None:
    nonces = Nonces(database)
    assert nonces.take("key", "nonce", 0)
    assert not nonces.take("key", "nonce", 0)
    assert nonces.take("key", "another", 0)
    assert nonces.take("another", "nonce", 0)


def test_a_nonce_is_remembered_for_31_minutes(database: Database) -> None:
    nonces = Nonces(database)
    nonces.take("key", "nonce", 0)
    assert not nonces.take("key", "nonce", 31 * MINUTE - SECOND)
    assert nonces.take("key", "nonce", 31 * MINUTE)
    assert not nonces.take("key", "nonce", 31 * MINUTE)


def test_a_nonce_is_remembered_when_the_clock_goes_back(database: Database) -> None:
    nonces = Nonces(database)
    nonces.take("key", "nonce", 60 * MINUTE)
    assert not nonces.take("key", "nonce", 0)


def test_a_nonce_is_remembered_by_the_next_process(database: Database) -> None:
    nonces = Nonces(database)
    nonces.take("key", "nonce", 0)
    nonces.commit()
    assert not Nonces(database).take("key", "nonce", 0)


def test_one_commit_is_for_every_nonce_that_was_taken(database: Database) -> None:
    nonces = Nonces(database)
    nonces.take("key", "1", 0)
    nonces.take("key", "2", 0)
    nonces.commit()
    nonces.commit()
    again = Nonces(database)
    assert [again.take("key", nonce, 0) for nonce in ("1", "2", "3")] == [False, False, True]


def test_of_many_callers_with_one_nonce_one_gets_it(database: Database) -> None:
    nonces = Nonces(database)
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            taken = list(pool.map(lambda _, n=number: nonces.take("key", str(n), 0), range(16)))
            assert taken.count(True) == 1


def test_old_nonces_are_forgotten_and_no_other(database: Database) -> None:
    """A slice of the table at a time: after so many commits each has had its turn."""
    nonces = Nonces(database)
    for number in range(500):
        nonces.take("key", str(number), 0)
        nonces.take("key", f"young {number}", 60 * MINUTE)
    for number in range(4_096 * 16):
        nonces.take("key", f"later {number % 7}", 60 * MINUTE)
        nonces.commit()
    with sqlite3.connect(database.path) as connection:
        rows = connection.execute("SELECT taken_at, count(*) FROM nonce GROUP BY taken_at").fetchall()
    connection.close()
    assert rows == [(3_600, 507)]


def test_what_goes_wrong_is_told_to_the_caller_and_leaves_no_transaction(database: Database) -> None:
    nonces = Nonces(database)
    with sqlite3.connect(database.path) as connection:
        connection.execute("ALTER TABLE nonce RENAME TO gone")
    with pytest.raises(sqlite3.OperationalError):
        nonces.take("key", "nonce", 0)
    with connection:
        connection.execute("ALTER TABLE gone RENAME TO nonce")
    connection.close()
    assert nonces.take("key", "nonce", 0)


def test_a_nonce_whose_transaction_failed_is_remembered_by_the_next(database: Database) -> None:
    """Somebody who took it before the failure may commit after it, and must not be told a lie."""
    nonces = Nonces(database)
    assert nonces.take("key", "taken before", 0)
    nonces._connection.rollback()  # noqa: SLF001 (what SQLite does when the disk is full)
    assert nonces.take("key", "taken after", 0)
    nonces.commit()
    again = Nonces(database)
    assert [again.take("key", nonce, 0) for nonce in ("taken before", "taken after")] == [False, False]
