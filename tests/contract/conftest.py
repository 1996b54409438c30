import pytest

from tests.support.examples import World, make_world
from tests.support.server import Server


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    """What examples may speak of."""
    return make_world(server.root)
