from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.store.batches import NewBatch
from tests.support.account import Account


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
