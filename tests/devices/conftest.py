from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from nameplate.call import Registry
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.account import Account


@pytest.fixture(scope="module")
def house(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that the tests of a module share, in this process; each makes products of its own."""
    made = request.getfixturevalue("databases").one() if engine == "postgresql" else nullcontext()
    with made as url, open_registry(Settings(data_dir=tmp_path_factory.mktemp("house"), database_url=url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def account(house: Registry) -> Account:
    return Account(house)


@pytest.fixture(scope="module")
def stranger(house: Registry) -> Account:
    """Another account of the same registry."""
    return Account(house, "stranger")


@pytest.fixture
def key(account: Account) -> str:
    """The key of a product without devices."""
    return account.product()
