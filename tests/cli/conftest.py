from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.cli import Cli
from tests.support.server import Server


@pytest.fixture(scope="module")
def local(servers: Callable[[str], Server]) -> Server:
    """A server, the same for every test: what the command line does is the same on each engine."""
    return servers("sqlite")


@pytest.fixture
def cli(local: Server, tmp_path: Path) -> Cli:
    """The command line of somebody who has never used it."""
    return Cli(tmp_path, local.port)


@pytest.fixture
def product_key(cli: Cli) -> str:
    """The key of a product without devices."""
    return cli.product(f"p_{uuid4().hex[:20]}")
