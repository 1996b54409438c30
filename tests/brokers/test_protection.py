"""Who may ask: a broker with the secret, or one on the same machine while there is none."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nameplate.brokers.protection import is_loopback
from tests.support.devices import Hooks
from tests.support.server import Server

SECRET = "what-brokers-send"
PATH = "/brokers/emqx/event"
BODY = {"event": "client.connected", "clientid": "a", "username": "b"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("secured") / "data", broker_secret=SECRET).start()
    yield running
    assert running.stop() == 0
    assert SECRET not in running.log


@pytest.fixture
def asking(secured: Server) -> Iterator[Hooks]:
    with Hooks(secured.port) as hooks:
        yield hooks


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "given", [f"Bearer {SECRET}", f"bearer  {SECRET}", basic("", SECRET), basic("rabbitmq", SECRET)]
)
def test_with_the_secret_a_hook_is_answered(asking: Hooks, given: str) -> None:
    assert asking.post(PATH, BODY, authorization=given).status == 200


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer x", f"Bearer {SECRET}x", SECRET, basic(SECRET, ""), "Basic ???", "Bearer \xff", "Digest a"],
)
def test_without_it_none_is(asking: Hooks, given: str) -> None:
    headers = {"authorization": given} if given else {}
    for path in (PATH, "/brokers/rabbitmq/user", "/brokers/vernemq", "/brokers/token", "/brokers/amqtt/register"):
        answer = asking.post(path, BODY, **headers)
        assert (answer.status, answer.json["Code"]) == (401, "InvalidHookSecret")


def test_a_secret_that_is_empty_is_none(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", broker_secret="").start()
    try:
        with Hooks(server.port) as hooks:
            assert hooks.post(PATH, BODY).status == 200
            assert hooks.post(PATH, BODY, x_forwarded_for="203.0.113.9").status == 403
    finally:
        server.stop()


def test_devices_need_no_secret_of_brokers(asking: Hooks) -> None:
    assert asking.post("/auth", {}).json["code"] == 10001
    assert asking.form("/auth/register/device", {}).json["code"] == 460


def test_without_a_secret_only_this_machine_may_ask_and_not_through_a_proxy(server: Server, hooks: Hooks) -> None:
    assert hooks.post(PATH, BODY).status == 200
    for name in ("x_forwarded_for", "forwarded", "x_real_ip", "via"):
        answer = hooks.post(PATH, BODY, **{name: "10.0.0.1"})
        assert (answer.status, answer.json["Code"]) == (403, "MissingHookSecret")
    assert server.port


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_told_by_its_address(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", [None, "", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "localhost"])
def test_another_is_not(address: str | None) -> None:
    assert not is_loopback(address)


def test_a_server_that_others_reach_answers_them_nothing_without_a_secret(data_dir: Path) -> None:
    server = Server(data_dir, host="0.0.0.0").start()  # noqa: S104 (that is the point)
    try:
        own = address_of_this_machine()
        if own is None:
            pytest.skip("this machine has no other address than the loopback's")
        with Hooks(server.port, host=own) as asking:
            answer = asking.post(PATH, BODY)
            assert (answer.status, answer.json["Code"]) == (403, "MissingHookSecret")
            assert asking.post("/auth", {}).status == 200
    finally:
        assert server.stop() == 0


def address_of_this_machine() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        found = str(probe.getsockname()[0])
    return None if is_loopback(found) else found
