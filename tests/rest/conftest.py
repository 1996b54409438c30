from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.rest import RestClient
from tests.support.server import Server


@pytest.fixture(scope="session")
def rest(server: Server) -> Iterator[RestClient]:
    """The root account's client."""
    with RestClient(server.root) as client:
        yield client


@pytest.fixture(scope="session")
def reader(server: Server) -> Iterator[RestClient]:
    with RestClient(server.key("reader")) as client:
        yield client


@pytest.fixture(scope="session")
def registrar(server: Server) -> Iterator[RestClient]:
    with RestClient(server.key("registrar")) as client:
        yield client


@pytest.fixture(scope="session")
def stranger(server: Server) -> Iterator[RestClient]:
    """An admin of another account."""
    with RestClient(server.key("admin", f"other-{uuid4().hex[:8]}")) as client:
        yield client
