from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.examples import Places
from tests.support.server import Server


@pytest.fixture(scope="module")
def places(
    engine: str, server: Server, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Places]:
    """Where examples are sent to."""

    def start(**settings: Any) -> Server:
        if engine == "postgresql":
            settings["database_url"] = request.getfixturevalue("databases").new()
        return Server(tmp_path_factory.mktemp("place") / "data", **settings).start()

    made = Places(server, start)
    yield made
    made.close()
