"""Accounts take turns, and so do the products of one account: a large batch does not keep a small one waiting."""

from typing import Final
from uuid import uuid4

import pytest

from nameplate.call import Registry
from nameplate.domain.batch import ROWS_PER_PART, State
from nameplate.store.batches import NewBatch
from nameplate.store.parts import Flow, Turns
from tests.support.account import Account

NOW: Final = 1_000_000
LEASE: Final = 1_000


def served(registry: Registry, turns: Turns, count: int) -> list[Flow]:
    """Whose parts are claimed, one after the other."""
    flows = []
    for _ in range(count):
        flow = registry.store.parts.next_flow(turns, NOW)
        assert flow is not None
        assert registry.store.parts.claim(uuid4().hex, flow, NOW, NOW + LEASE)
        flows.append(flow)
    return flows


@pytest.mark.parametrize("busy", [0, 1])
@pytest.mark.parametrize("before", [0, 1, 10])
def test_an_account_waits_for_one_part_of_another_at_most(registry: Registry, busy: int, before: int) -> None:
    flows = [new_flow(registry, Account(registry, name)) for name in ("first", "second")]
    assert_is_served_soon(registry, flows[1 - busy], flows[busy], before)


@pytest.mark.parametrize("busy", [0, 1])
@pytest.mark.parametrize("before", [0, 1, 10])
def test_a_product_waits_for_one_part_of_another_at_most(registry: Registry, busy: int, before: int) -> None:
    account = Account(registry)
    flows = [new_flow(registry, account, name) for name in ("first", "second")]
    assert_is_served_soon(registry, flows[1 - busy], flows[busy], before)


def assert_is_served_soon(registry: Registry, quiet: Flow, busy: Flow, before: int) -> None:
    """One part that comes after a hundred of another flow is the second one, if not the first, that is claimed then."""
    add_rows(registry, busy, 100 * ROWS_PER_PART)
    turns = Turns()
    assert served(registry, turns, before) == [busy] * before
    add_rows(registry, quiet, 1)
    assert sorted(served(registry, turns, 2)) == sorted([quiet, busy])


def new_flow(registry: Registry, account: Account, product: str = "pumps") -> Flow:
    found = registry.store.products.find(account.product(product))
    assert found is not None
    return Flow(account.id, found.id)


def add_rows(registry: Registry, flow: Flow, rows: int) -> None:
    """Add a batch that waits, however large."""
    number = registry.store.counters.mint("batch")
    registry.store.batches.add(NewBatch(number, *flow, State.CREATE, rows), None, NOW)
