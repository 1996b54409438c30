"""Which transactions wait for the disk."""

import pytest

from nameplate.call import Registry

WAITS = {"PRAGMA synchronous": (2, 1), "SHOW synchronous_commit": ("on", "off")}


@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)])
def test_a_transaction_waits_for_the_disk_unless_it_says_otherwise(registry: Registry, order: tuple[bool, ...]) -> None:
    database = registry.store.database
    question = "PRAGMA synchronous" if database.is_embedded else "SHOW synchronous_commit"
    for durable in order:
        with database.transaction(durable=durable) as connection:
            found = connection.exec_driver_sql(question).scalar()
        assert found == WAITS[question][0 if durable else 1]
