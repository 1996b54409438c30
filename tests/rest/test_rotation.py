"""Another master key: secrets of webhooks, tokens and the key of manifests are what they were."""

from pathlib import Path

import pytest

from tests.rest.test_webhooks import register
from tests.support.receiver import Receiver
from tests.support.rest import RestClient
from tests.support.server import Server


def test_what_was_given_out_holds_under_another_master_key(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    server, receiver = Server(tmp_path / "data", **database).start(), Receiver()
    with receiver.listening():
        with RestClient(server.root) as rest:
            receiver.secret = rest.ok("POST", "/v1/webhooks", json={"url": receiver.url})["secret"]
            token, key = rest.ok("POST", "/v1/tokens")["token"], rest.ok("GET", "/v1/manifest-key")
        assert server.stop() == 0
        rotated = server.keys("rotate-master")
        assert rotated.returncode == 0, rotated.stderr
        server.start()
        register(server)
        receiver.wait(3)
        with RestClient(server.root, auth=None, headers={"authorization": f"Bearer {token}"}) as rest:
            assert rest.ok("GET", "/v1/manifest-key") == key
    assert server.stop() == 0
    assert "Traceback" not in server.log
