from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from nameplate.call import Registry
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.server import Server
from tests.support.signer import Client

# The machines that tests run on are shared: how long an example takes says nothing about it.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests share; each test makes products of its own."""
    running = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture
def root(server: Server) -> Client:
    return server.root


@pytest.fixture
def product(root: Client) -> str:
    """The key of a product without devices."""
    return str(root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")["ProductKey"])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def registry(data_dir: Path) -> Iterator[Registry]:
    """A registry of its own, in this process and without a server."""
    with open_registry(Settings(data_dir=data_dir)) as opened:
        yield opened
