from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.store.batches import NewBatch
from nameplate.store.database import Database
from nameplate.store.engines import open_database
from nameplate.store.migrations import Standing, configuration, standing, upgrade
from nameplate.store.parts import Flow, Parts, Turns
from nameplate.store.schema import metadata
from nameplate.store.store import upgrade_schema
from tests.support.account import Account
from tests.support.databases import Databases


@pytest.fixture
def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without a schema."""
    sqlite = f"sqlite:///{tmp_path / 'empty.db'}"
    opened = open_database(sqlite if engine == "sqlite" else request.getfixturevalue("databases").empty())
    yield opened
    opened.close()


def differences(database: Database) -> list[object]:
    """How the schema differs from what the code declares.

    Nonces are declared apart, and PostgreSQL locks products instead of checking the foreign key of each device.
    """
    with database.transaction() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    return [change for change in found if not is_known(database, change)]


def is_known(database: Database, change: Any) -> bool:
    if database.is_embedded:
        return False
    what, where = change[0], change[1]
    return (what, where.name) == ("remove_table", "nonce") or (what == "add_fk" and where.parent.name == "device")


def test_the_migrations_make_the_schema(empty: Database) -> None:
    assert standing(empty) is Standing.EMPTY
    upgrade(empty)
    upgrade(empty)
    assert standing(empty) is Standing.CURRENT
    assert differences(empty) == []


REVISIONS = [script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()]
BATCHES = """
INSERT INTO account VALUES (1, 'root', 0);
INSERT INTO product (id, account_id, key, name, secret, material, node_type, commodity, auth_type, net_type, validation,
created_at) VALUES (7, 1, 'k', 'pumps', '', '', 0, 'iothub', 'secret', 'WIFI', 1, 0);
INSERT INTO batch (id, account_id, product_id, state, is_named, total, created_at) VALUES (3, 1, 7, 'CHECK', 1, 2, 12);
INSERT INTO part (batch_id, first, rows, step) VALUES (3, 0, 2, 'check');
INSERT INTO part_names (batch_id, first, names) VALUES (3, 0, '["name-1", "name-2"]');
"""


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_every_version_is_brought_up_to_date(empty: Database, revision: str) -> None:
    upgrade(empty, revision)
    assert (standing(empty) is Standing.CURRENT) == (revision == REVISIONS[0])
    with empty.transaction() as connection:
        for statement in filter(str.strip, BATCHES.split(";")):
            connection.execute(text(statement))
    upgrade(empty)
    assert differences(empty) == []
    with empty.transaction() as connection:
        kept = "SELECT batch_id, first, rows, step, names FROM part NATURAL JOIN part_names"
        assert connection.execute(text(kept)).all() == [(3, 0, 2, "check", '["name-1", "name-2"]')]


def test_a_part_of_the_first_version_has_a_place_in_the_queue(empty: Database) -> None:
    upgrade(empty, "0001")
    with empty.transaction() as connection:
        for statement in filter(str.strip, BATCHES.split(";")):
            connection.execute(text(statement))
    upgrade(empty)
    parts = Parts(empty)
    assert parts.next_flow(Turns(), 100) == Flow(1, 7)
    assert parts.backlog(100) == (1, 12)


def test_of_many_who_upgrade_at_once_all_find_it_done(databases: Databases) -> None:
    url = databases.empty()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(upgrade_schema, [url] * 4))) == 1


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    upgrade(empty)
    with empty.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert standing(empty) is Standing.AHEAD


@pytest.mark.parametrize(
    "change",
    [
        "state = 'CHECKING'",
        "state = 'CHECK_SUCCESS'",
        "state = 'CREATE_FAILED', done = 2",
        "refused = 1",
        "done = 3",
        "total = 0",
    ],
)
def test_the_schema_refuses_a_batch_that_cannot_be(registry: Registry, change: str) -> None:
    account = Account(registry)
    account.product()
    registry.store.batches.add(NewBatch(1, account.id, 1, State.CHECK, 2, ["name-1", "name-2"]), None, 0)
    with pytest.raises(IntegrityError), registry.store.database.transaction() as connection:
        connection.execute(text(f"UPDATE batch SET {change}"))  # noqa: S608 (a table of ours)


def test_a_name_is_unique_in_its_product(registry: Registry) -> None:
    account = Account(registry)
    account.call("RegisterDevice", product_key=account.product(), device_name="name-1")
    with pytest.raises(IntegrityError), registry.store.database.transaction() as connection:
        connection.execute(text("INSERT INTO device (id, product_id, name, created_at) VALUES (1, 1, 'name-1', 0)"))


def test_a_transaction_that_raises_changes_nothing(registry: Registry) -> None:
    message = "on purpose"
    with suppress(RuntimeError), registry.store.database.transaction() as connection:
        connection.execute(text("UPDATE counter SET value = 7"))
        raise RuntimeError(message)
    with registry.store.database.transaction() as connection:
        assert 7 not in connection.execute(text("SELECT value FROM counter")).scalars().all()
