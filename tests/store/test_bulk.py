"""Bulk rows, the same on every engine: what is taken is left out and told, everything else is created."""

from itertools import count
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nameplate.call import Registry
from nameplate.domain.device import first_id
from nameplate.store.database import FEW, NewDevices
from tests.support.account import Account

NUMBERS: Final = count(1_000)
NAMES: Final = st.text("abcXYZ0189-_@.:", min_size=4, max_size=6)


class Site:
    """A product, and devices that are created in it in bulk."""

    def __init__(self, registry: Registry) -> None:
        self.account = Account(registry)
        self.registry = registry
        self.keys = [self.account.product("pumps"), self.account.product("valves")]
        found = [registry.store.products.find(key) for key in self.keys]
        self.products = [product.id for product in found if product]

    def create(self, *parts: list[str], product: int = 0, nicknames: list[str | None] | None = None) -> list[list[int]]:
        new = [self.part(names, product, nicknames) for names in parts]
        database = self.registry.store.database
        with database.transaction() as connection:
            return database.bulk.create_devices(connection, new, 7)

    def part(self, names: list[str], product: int = 0, nicknames: list[str | None] | None = None) -> NewDevices:
        number = next(NUMBERS)
        written = None if nicknames is None else orjson.dumps(nicknames).decode()
        return NewDevices(first_id(number), self.products[product], len(names), orjson.dumps(names).decode(), written)

    def taken(self, *lists: list[str], product: int = 0) -> set[str]:
        return self.registry.store.database.bulk.taken(self.products[product], *lists)

    def device(self, name: str, product: int = 0) -> Any:
        return self.registry.store.devices.find_name(self.products[product], name)


@pytest.fixture
def site(registry: Registry) -> Site:
    return Site(registry)


def test_devices_are_created_with_the_ids_of_their_rows(site: Site) -> None:
    part = site.part(["pump-b", "pump-a", "pump-c"], nicknames=["Bee", None, "泵_3"])
    database = site.registry.store.database
    with database.transaction() as connection:
        assert database.bulk.create_devices(connection, [part], 7) == [[]]
    found = [site.device(name) for name in ("pump-b", "pump-a", "pump-c")]
    assert [device.id for device in found] == [part.first_id, part.first_id + 1, part.first_id + 2]
    assert [device.nickname for device in found] == ["Bee", None, "泵_3"]
    assert {(device.created_at, device.status, device.generation) for device in found} == {(7, 0, 0)}


def test_taken_names_are_left_out_and_told(site: Site) -> None:
    before = site.part(["name-2"], nicknames=["First"])
    database = site.registry.store.database
    with database.transaction() as connection:
        database.bulk.create_devices(connection, [before], 7)
    assert site.create(["name-1", "name-2", "name-3"], nicknames=["A_1", "A_2", "A_3"]) == [[1]]
    assert site.device("name-2").id == before.first_id
    assert [site.device(f"name-{number}").nickname for number in (1, 2, 3)] == ["A_1", "First", "A_3"]


def test_another_products_names_are_not_taken(site: Site) -> None:
    assert site.create(["name-1"]) == [[]]
    assert site.create(["name-1"], product=1) == [[]]
    assert site.taken(["name-1", "name-2"]) == {"name-1"}


def test_parts_that_are_created_together_are_told_apart(site: Site) -> None:
    site.create(["name-2", "name-5"])
    assert site.create(["name-1", "name-2"], ["name-4", "name-3"], ["name-5"]) == [[1], [], [0]]


def test_of_one_name_in_two_parts_one_is_created(site: Site) -> None:
    refused = site.create(["name-1", "name-2"], ["name-2", "name-3"])
    assert sorted(map(len, refused)) == [0, 1]
    assert site.taken(["name-1", "name-2", "name-3"]) == {"name-1", "name-2", "name-3"}


def test_what_else_goes_wrong_is_not_taken_for_a_name(site: Site) -> None:
    """Only that: here a product that does not exist."""
    part = NewDevices(first_id(next(NUMBERS)), 999, 1, '["name-1"]')
    database = site.registry.store.database
    with pytest.raises(Exception, match="NotExistedProduct"), database.transaction() as connection:
        database.bulk.create_devices(connection, [part], 7)


def _order(kind: str) -> list[str]:
    names = [f"sn-{number:05}" for number in range(3_000)]
    if kind == "two runs, name by name":
        return [name for pair in zip(names[:1_500], names[1_500:], strict=True) for name in pair]
    if kind == "a few out of place":
        return [*names[1:1_000], names[0], *names[1_000:2_000], *reversed(names[2_000:2_010]), *names[2_010:]]
    return names[::-1]


@pytest.mark.parametrize("kind", ["two runs, name by name", "a few out of place", "backwards"])
def test_whatever_order_names_come_in_each_has_its_rows_id(site: Site, kind: str) -> None:
    """An engine may look at a few names only, to see whether they come in order."""
    names = _order(kind)
    site.create([names[7], names[2_005]])
    part = site.part(names)
    database = site.registry.store.database
    with database.transaction() as connection:
        assert database.bulk.create_devices(connection, [part], 7) == [[7, 2_005]]
    found = database.bulk.existing(part.product_id, names)
    ids = dict(zip(names, part.numbers, strict=True))
    del ids[names[7]], ids[names[2_005]]
    assert {name: found[name].id for name in ids} == ids


@pytest.mark.parametrize("every", [1, 2, 100])
def test_taken_names_are_found_among_many_and_few(site: Site, every: int) -> None:
    """Whether nothing, little or much lies between the first and the last name that is looked for."""
    rows = 200
    assert rows // 100 <= rows // FEW < rows // 2
    site.create([f"name-{number:04}" for number in range(0, rows, every)])
    sought = [f"name-{number:04}" for number in range(rows)]
    assert site.taken(sought) == {f"name-{number:04}" for number in range(0, rows, every)}
    assert site.taken([f"none-{number:04}" for number in range(rows)]) == set()
    assert site.taken(["name-0000"]) == {"name-0000"}


@pytest.mark.parametrize("together_from", [0, 10**9], ids=["together", "one by one"])
def test_lists_are_looked_at_together(site: Site, monkeypatch: pytest.MonkeyPatch, together_from: int) -> None:
    """Runs that are free or taken, and names between which others lie; on PostgreSQL by either query."""
    monkeypatch.setattr("nameplate.store.engines.postgresql_bulk._TOGETHER_FROM", together_from)
    site.create([f"name-{number:04}" for number in range(0, 200, 2)], [f"run-{number:04}" for number in range(100)])
    site.create(["name-0001"], product=1)
    lists = [
        [f"name-{number:04}" for number in range(150)],
        [f"free-{number:04}" for number in range(100)],
        [f"name-{number:04}" for number in range(50, 250)],
        [f"run-{number:04}" for number in range(90, 110)],
    ]
    expected = {f"name-{number:04}" for number in range(0, 200, 2)} | {f"run-{number:04}" for number in range(90, 100)}
    assert site.taken(*lists) == expected
    assert site.taken() == set()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(NAMES, min_size=1, max_size=8, unique=True), min_size=1, max_size=4))
def test_bulk_rows_do_what_a_set_does(site: Site, rounds: list[list[str]]) -> None:
    key = site.account.product(f"p_{next(NUMBERS)}")
    product = site.registry.store.products.find(key)
    assert product is not None
    site.products.append(product.id)
    there: set[str] = set()
    for names in rounds:
        assert site.taken(names, product=-1) == there & set(names)
        expected = [ordinal for ordinal, name in enumerate(names) if name in there]
        assert site.create(names, product=-1) == [expected]
        there |= set(names)


LABELS: Final = st.none() | st.text("a_9é泵", min_size=1, max_size=20)
SECRETS: Final = st.none() | st.binary(min_size=1, max_size=60)
ROWS: Final = st.tuples(st.text("abc0-", min_size=4, max_size=31), LABELS, LABELS, SECRETS)
PART: Final = st.lists(ROWS, min_size=1, max_size=8, unique_by=lambda row: row[0])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PART, min_size=1, max_size=3))
def test_every_column_of_every_row_is_kept(site: Site, parts: list[list[tuple[Any, ...]]]) -> None:
    """Whatever the lengths, and whichever are not there: of a row, of a part or of all parts."""
    key = site.account.product(f"p_{next(NUMBERS)}")
    product = site.registry.store.products.find(key)
    assert product is not None
    new, expected = [], set()
    for place, rows in enumerate(parts):
        first = first_id(next(NUMBERS))
        kept = [(first + row, f"{place}{name}", *rest) for row, (name, *rest) in enumerate(rows)]
        names, nicknames, sns, secrets = ([*column] for column in list(zip(*kept, strict=True))[1:])
        written, nicknamed, numbered = (orjson.dumps(column).decode() for column in (names, nicknames, sns))
        new.append(
            NewDevices(
                first,
                product.id,
                len(names),
                written,
                nicknamed if any(nicknames) else None,
                numbered if any(sns) else None,
                secrets if any(secrets) else None,
            )
        )
        expected.update(kept)
    database = site.registry.store.database
    with database.transaction() as connection:
        assert database.bulk.create_devices(connection, new, 7) == [[] for _ in new]
    found = database.bulk.existing(product.id, [name for _, name, *_ in expected]).values()
    assert {(device.id, device.name, device.nickname, device.sn, device.secret) for device in found} == expected
