from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.devices import FieldDevice, Hooks, register
from tests.support.server import Server
from tests.support.signer import Client


@pytest.fixture
def hooks(server: Server) -> Iterator[Hooks]:
    with Hooks(server.port) as asking:
        yield asking


@pytest.fixture
def device(root: Client, product: str) -> FieldDevice:
    """A device that has never connected."""
    return register(root, product, f"light-{uuid4().hex[:8]}")
