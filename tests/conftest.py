import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from nameplate.call import Registry
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.databases import Databases
from tests.support.postgres import running_postgres
from tests.support.server import Server
from tests.support.signer import Client

# The machines that tests run on are shared: how long an example takes says nothing about it.
hypothesis_settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("shared")

# Whatever runs the suite in the background may have it ignored, and every program that is started would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


_FEW = 3


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have few tests, which are the long ones: so none is left when the others are done.

    Then come the others, the most tests first: the examples of calls, which count devices, before the brokers'.
    """
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (tests[item.path] > _FEW, -tests[item.path], item.path))


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """PostgreSQL databases: on a server of the suite's own, unless NAMEPLATE_TEST_DATABASE_URL names another."""
    given = os.environ.get("NAMEPLATE_TEST_DATABASE_URL")
    with ExitStack() as stack:
        made = Databases(given or stack.enter_context(running_postgres()).url())
        yield made
        made.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that a test runs on; whoever uses it runs on each."""
    return str(request.param)


@pytest.fixture(scope="session")
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """A server on each engine, started when it is first asked for."""
    running: dict[str, Server] = {}

    def on(engine: str) -> Server:
        if engine not in running:
            url = request.getfixturevalue("databases").new() if engine == "postgresql" else None
            settings = {"database_url": url} if url else {}
            running[engine] = Server(tmp_path_factory.mktemp("server") / "data", **settings).start()
        return running[engine]

    yield on
    for server in running.values():
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture(scope="session")
def server(engine: str, servers: Callable[[str], Server]) -> Server:
    """A server that tests share; each test makes products of its own."""
    return servers(engine)


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
def settings(engine: str, request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Settings]:
    """The settings of a registry of its own."""
    if engine == "sqlite":
        yield Settings(data_dir=data_dir)
        return
    with request.getfixturevalue("databases").one() as url:
        yield Settings(data_dir=data_dir, database_url=url)


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    """A registry of its own, in this process and without a server."""
    with open_registry(settings) as opened:
        yield opened
