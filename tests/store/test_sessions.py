"""Statements that PostgreSQL keeps prepared, and where it must not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, make_url, select

from nameplate.store.database import ConflictError, PreparedRead
from nameplate.store.engines import PostgresDatabase
from nameplate.store.schema import device, product
from tests.support.databases import Databases
from tests.support.pooler import Pooler, needs_pgbouncer

OFTEN = 12
PREPARED = "SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as found:
        yield found


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    opened = PostgresDatabase(make_url(url))
    yield opened
    opened.close()


def use(database: PostgresDatabase) -> PreparedRead:
    """Read and write often."""
    read = database.prepare(select(product.c.key, product.c.name))
    for _ in range(OFTEN):
        assert read.row() is None
        write(database)
    return read


def write(database: PostgresDatabase) -> None:
    with database.transaction() as connection:
        connection.execute(product.update().values(name="pumps"))


def one(database: PostgresDatabase, question: str) -> Any:
    """Return what is asked of the session that this thread reads in."""
    row = database.run(lambda connection: connection.execute(question.encode()).fetchone())
    assert row is not None
    return row[0]


def asked_in_transaction(database: PostgresDatabase, question: str) -> Any:
    with database.transaction() as connection:
        return connection.exec_driver_sql(question).scalar()


def test_what_is_done_often_is_prepared(database: PostgresDatabase) -> None:
    use(database)
    assert one(database, PREPARED) > 0
    assert asked_in_transaction(database, PREPARED) > 0


@needs_pgbouncer
def test_nothing_is_prepared_through_a_pooler_and_nothing_set(url: str, tmp_path: Path) -> None:
    with Pooler(tmp_path, url) as pooler:
        database = PostgresDatabase(make_url(pooler.url))
        use(database)
        for ask in (one, asked_in_transaction):
            assert ask(database, PREPARED) == 0
            assert ask(database, "SHOW enable_seqscan") == "on"
        database.close()


def test_the_plan_that_is_kept_is_right_for_a_table_that_has_grown(url: str, database: PostgresDatabase) -> None:
    """It is made for a single page, of which to read all is cheapest, and nobody analyses what comes then."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE device SET (autovacuum_enabled = off)")
        connection.execute("INSERT INTO device (id, product_id, name, created_at) VALUES (1, 1, 'a', 0)")
        connection.execute("ANALYZE device")
    read = database.prepare(select(device.c.id).where(device.c.product_id == 1, device.c.name == "a"))
    for _ in range(OFTEN):
        assert read.row() == (1,)
    kept = one(database, "SELECT name FROM pg_prepared_statements WHERE generic_plans > 0")
    plan = database.run(lambda used: used.execute(f"EXPLAIN EXECUTE {kept}(1, 'a')".encode()).fetchall())
    assert "Index" in plan[0][0]


def test_a_pooler_that_does_not_show_is_found_out_by_who_reads(
    database: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    read = use(database)
    database.run(forget)
    with pytest.raises(ConflictError):
        read.row()
    check_nothing_is_prepared(database, caplog)


def test_a_pooler_that_does_not_show_is_found_out_by_who_writes(
    database: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    use(database)
    with database.transaction() as connection:
        forget(connection.connection.driver_connection)
    with pytest.raises(ConflictError):
        write(database)
    check_nothing_is_prepared(database, caplog)


def forget(connection: Any) -> None:
    """Be another session, one that does not know what was prepared in the last."""
    connection.pgconn.exec_(b"DEALLOCATE ALL")


def check_nothing_is_prepared(database: PostgresDatabase, caplog: pytest.LogCaptureFixture) -> None:
    assert len(caplog.messages) == 1
    use(database)
    assert one(database, PREPARED) == 0
    assert asked_in_transaction(database, PREPARED) == 0


def test_a_column_that_changes_its_type_is_no_error_for_long(url: str, database: PostgresDatabase) -> None:
    read = use(database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE product ALTER COLUMN name TYPE varchar(100)")
    with pytest.raises(ConflictError):
        read.row()
    assert read.row() is None
    assert database.prepare(select(func.count()).select_from(product)).row() == (0,)
