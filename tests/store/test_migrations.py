"""A database of every older version is brought up to date, with what is in it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from nameplate.domain.device import MAX_ID, first_id
from nameplate.store.batches import Batches
from nameplate.store.counters import Counters
from nameplate.store.database import Database
from nameplate.store.device_lists import DeviceLists, Scope
from nameplate.store.devices import Devices
from nameplate.store.engines import open_database
from nameplate.store.migrations import Standing, revisions, standing
from nameplate.store.migrations.steps import configuration, upgrade
from nameplate.store.parts import Flow, Parts, Turns
from nameplate.store.schema import metadata
from nameplate.store.store import upgrade_schema
from nameplate.store.tallies import Tallies
from tests.support.databases import Databases

REVISIONS = [script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()]
OLDER = REVISIONS[1:]
PRODUCT = """INSERT INTO product (id, account_id, key, name, secret, material, node_type, commodity, auth_type,
net_type, validation, created_at) VALUES (:id, 1, :key, :name, '', '', 0, 'iothub', 'secret', 'WIFI', 1, 0)"""
NAMED, MINTED, SHARED_BLOCK = 3, 4, 5
FLOW = """
INSERT INTO batch (id, account_id, product_id, state, {origin}, total, created_at) VALUES (3, 1, 7, 'CHECK', 1, 2, 12);
INSERT INTO batch (id, account_id, product_id, state, {origin}, total, done, created_at)
VALUES (4, 1, 7, 'CREATE_SUCCESS', 0, 3, 3, 12);
INSERT INTO part (batch_id, first, rows, step) VALUES (3, 0, 2, 'check');
INSERT INTO part_names (batch_id, first, names) VALUES (3, 0, '["name-1", "name-2"]');
"""
DEVICES = [
    (first_id(MINTED), 7, "minted-0"),
    (first_id(MINTED) + 1, 7, "minted-1"),
    (first_id(MINTED) + 2, 7, "minted-2"),
    (first_id(SHARED_BLOCK), 7, "single-7"),
    (first_id(SHARED_BLOCK) + 1, 8, "single-8"),
]


@contextmanager
def opened(engine: str, directory: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Open a database without a schema."""
    sqlite = f"sqlite:///{directory / 'empty.db'}"
    database = open_database(sqlite if engine == "sqlite" else request.getfixturevalue("databases").empty())
    yield database
    database.close()


@pytest.fixture
def empty(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without a schema."""
    with opened(engine, tmp_path, request) as database:
        yield database


@pytest.fixture(scope="module", params=OLDER)
def upgraded(
    engine: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """A database of an older version with two products, two batches and a few devices in it, brought up to date.

    Tests share it: each changes something of its own.
    """
    with opened(engine, tmp_path_factory.mktemp("older"), request) as database:
        fill(database, request.param)
        upgrade(database)
        yield database


def fill(empty: Database, revision: str) -> None:
    """Give a database an older schema, and rows of its time."""
    upgrade(empty, revision)
    with empty.transaction() as connection:
        connection.execute(text("INSERT INTO account VALUES (1, 'root', 0)"))
        connection.execute(
            text(PRODUCT), [{"id": number, "key": f"k{number}", "name": f"n{number}"} for number in (7, 8)]
        )
        origin = "is_named" if revision in ("0001", "0002") else "origin"
        for statement in filter(str.strip, FLOW.format(origin=origin).split(";")):
            connection.execute(text(statement))
        if revision != "0001":
            connection.execute(text("UPDATE part SET account_id = 1, product_id = 7"))
        device = text("INSERT INTO device (id, product_id, name, created_at) VALUES (:id, :product_id, :name, 0)")
        connection.execute(device, [dict(zip(("id", "product_id", "name"), row, strict=True)) for row in DEVICES])
        if origin == "origin":
            # From then on whoever creates devices says so beside them.
            connection.execute(text("INSERT INTO tally (product_id, slot, devices) VALUES (7, 0, 4), (8, 0, 1)"))
            blocks = text("INSERT INTO block (product_id, number) VALUES (:product_id, :number)")
            connection.execute(blocks, [{"product_id": number, "number": SHARED_BLOCK} for number in (7, 8)])


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


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


def test_a_step_is_known_by_the_name_of_its_file() -> None:
    assert revisions() == REVISIONS[::-1]


def test_the_migrations_make_the_schema(empty: Database) -> None:
    assert standing(empty) is Standing.EMPTY
    upgrade(empty)
    upgrade(empty)
    assert standing(empty) is Standing.CURRENT
    assert differences(empty) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_only_the_last_revision_is_current(empty: Database, revision: str) -> None:
    upgrade(empty, revision)
    assert (standing(empty) is Standing.CURRENT) == (revision == REVISIONS[0])


def test_a_database_of_every_version_is_brought_up_to_date(upgraded: Database) -> None:
    assert differences(upgraded) == []
    kept = "SELECT batch_id, first, rows, step, names FROM part NATURAL JOIN part_names"
    assert rows(upgraded, kept) == [(NAMED, 0, 2, "check", b'["name-1", "name-2"]')]
    assert Batches(upgraded).names(NAMED) == ["name-1", "name-2"]


def test_where_names_came_from_is_still_known(upgraded: Database) -> None:
    assert rows(upgraded, "SELECT id, origin FROM batch ORDER BY id") == [(NAMED, 1), (MINTED, 0)]


def test_a_part_of_an_older_version_has_a_place_in_the_queue(upgraded: Database) -> None:
    parts = Parts(upgraded)
    assert parts.next_flow(Turns(), 100) == Flow(1, 7)
    assert parts.backlog(100)[0] == 1


def test_devices_of_an_older_version_are_counted_and_listed(upgraded: Database) -> None:
    """Also those that were registered singly, from a block that several products shared."""
    tallies = Tallies(upgraded)
    lists = DeviceLists(upgraded, tallies)
    assert [tallies.of_product(number) for number in (7, 8)] == [4, 1]
    listed = {number: lists.newest(Scope(1, number), MAX_ID, 0, 10) for number in (7, 8)}
    names = {number: [device.name for device in devices] for number, devices in listed.items()}
    assert names == {7: ["single-7", "minted-2", "minted-1", "minted-0"], 8: ["single-8"]}
    every = lists.newest(Scope(1, None), MAX_ID, 0, 10)
    assert [device.name for device in every] == [name for _, _, name in reversed(DEVICES)]


def test_a_device_of_an_older_version_is_deleted_and_not_counted_any_more(upgraded: Database) -> None:
    devices = Devices(upgraded, Counters(upgraded), ())
    found = devices.find_name(8, "single-8")
    assert found is not None
    assert devices.delete(found)
    assert Tallies(upgraded).of_product(8) == 0


def test_the_name_of_a_product_is_still_unique(upgraded: Database) -> None:
    values = {"id": 9, "key": "k9", "name": "n8"}
    with pytest.raises(IntegrityError), upgraded.transaction() as connection:
        connection.execute(text(PRODUCT), values)
    with upgraded.transaction() as connection:
        connection.execute(text("UPDATE product SET deleted_at = 1 WHERE id = 8"))
        connection.execute(text(PRODUCT), values)


def test_of_many_who_upgrade_at_once_all_find_it_done(databases: Databases) -> None:
    url = databases.empty()
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(upgrade_schema, [url] * 4))) == 1


def test_a_database_of_a_newer_version_is_left_alone(empty: Database) -> None:
    upgrade(empty)
    with empty.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert standing(empty) is Standing.AHEAD
