"""Who comes and goes on RabbitMQ: a listener hears it from the broker, and tells the server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.support.devices import FieldDevice, becomes, register, status
from tests.support.disk import wait_until
from tests.support.forked import Forked, run
from tests.support.mqtt import MqttClient
from tests.support.rabbitmq import ELSEWHERE, LISTENER, LISTENER_PASSWORD, NOBODY, RabbitMq, find_rabbitmq
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.tls import TlsProxy, certify

SECRET = "what-rabbitmq-sends"
CONNECT_AND_WAIT = """
import sys, time
from tests.support.mqtt import MqttClient
client = MqttClient(int(sys.argv[1]), *sys.argv[2:])
assert client.connect() == 0
print("connected", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(find_rabbitmq() is None, reason="RabbitMQ is not there: make test")


class Site(NamedTuple):
    """A server, a broker that asks it, and where the log of listeners is."""

    server: Server
    broker: RabbitMq
    directory: Path

    @property
    def root(self) -> Client:
        return self.server.root

    @property
    def log(self) -> str:
        return (self.directory / "listener.log").read_text()

    def arguments(self, user: str = LISTENER, vhost: str = "") -> list[str]:
        return called(
            f"amqp://{user}@127.0.0.1:{self.broker.amqp_port}/{vhost}", f"http://127.0.0.1:{self.server.port}"
        )

    def environment(self, **more: str) -> dict[str, str]:
        return self.server.environment | {"NAMEPLATE_RABBITMQ_PASSWORD": LISTENER_PASSWORD} | more

    @contextmanager
    def listening(self, *arguments: str, **more: str) -> Iterator[Forked]:
        """A listener that has to end well when it is told to."""
        log = self.directory / "listener.log"
        with Forked(arguments or self.arguments(), self.environment(**more), stderr=log) as listener:
            assert listener.stdout is not None
            try:
                assert listener.stdout.readline().startswith("nameplate listens to RabbitMQ on 127.0.0.1:"), self.log
                yield listener
                listener.terminate()
                assert listener.wait(20) == 0, self.log
            finally:
                listener.kill()


def called(url: str, server: str) -> list[str]:
    return ["brokers", "rabbitmq", "--rabbitmq-url", url, "--server", server]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("rabbitmq-presence")
    server = Server(directory / "data", broker_secret=SECRET).start()
    with RabbitMq(directory, server.port, SECRET, tells=True) as broker:
        made = Site(server, broker, directory)
        yield made
    assert server.stop() == 0
    assert "Traceback" not in server.log + made.log
    assert SECRET not in server.log + made.log
    assert LISTENER_PASSWORD not in made.log


@pytest.fixture(scope="module")
def product(site: Site) -> str:
    return str(site.root.call("CreateProduct", ProductName="lights", NodeType="0")["ProductKey"])


@pytest.fixture
def device(site: Site, product: str) -> FieldDevice:
    return register(site.root, product, f"light-{uuid4().hex[:8]}")


def last_seen(site: Site, device: FieldDevice) -> tuple[str, int]:
    """A device's status, and since when it has it."""
    found = site.root.call("GetDeviceStatus", ProductKey=device.product_key, DeviceName=device.name)["Data"]
    return str(found["Status"]), int(found["Timestamp"])


def test_a_device_is_online_while_it_is_connected(site: Site, device: FieldDevice) -> None:
    with site.listening():
        for _ in range(2):
            with MqttClient.of(device, site.broker.port) as client:
                assert client.connect() == 0
                assert becomes(site.root, device, "ONLINE")
            before = time.time() * 1000  # noqa: TID251 (what a test compares with)
            assert becomes(site.root, device, "OFFLINE")
            assert abs(last_seen(site, device)[1] - before) < 20_000


def test_one_that_is_killed_is_offline(site: Site, device: FieldDevice) -> None:
    names = (device.client_id("any"), device.username, device.password("any"))
    command = [sys.executable, "-c", CONNECT_AND_WAIT, str(site.broker.port), *names]
    with site.listening(), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        assert becomes(site.root, device, "ONLINE")
        process.kill()
        assert becomes(site.root, device, "OFFLINE")


def test_one_that_comes_back_before_it_is_missed_stays_online(site: Site, device: FieldDevice) -> None:
    with site.listening(), MqttClient.of(device, site.broker.port) as first:
        assert first.connect() == 0
        with MqttClient.of(device, site.broker.port) as second:
            assert second.connect() == 0
            first.next("disconnect")
            time.sleep(1)
            assert status(site.root, device) == "ONLINE"
        assert becomes(site.root, device, "OFFLINE")


def test_what_happens_while_nobody_listens_is_told_later_with_its_time(site: Site, device: FieldDevice) -> None:
    with site.listening():
        pass
    with MqttClient.of(device, site.broker.port) as client:
        assert client.connect() == 0
        assert becomes(site.root, device, "ONLINE")
    ended = time.time() * 1000  # noqa: TID251 (what a test compares with)
    time.sleep(3)
    assert status(site.root, device) == "ONLINE"
    with site.listening():
        assert becomes(site.root, device, "OFFLINE")
    assert abs(last_seen(site, device)[1] - ended) < 2_000


def test_one_that_goes_after_another_listener_has_told_that_it_came(site: Site, device: FieldDevice) -> None:
    with MqttClient.of(device, site.broker.port) as client:
        with site.listening() as listener:
            assert client.connect() == 0
            assert becomes(site.root, device, "ONLINE")
            time.sleep(1)
            listener.terminate()
        with site.listening():
            client.client.disconnect()
            assert becomes(site.root, device, "OFFLINE")


def test_a_second_listener_takes_over(site: Site, device: FieldDevice) -> None:
    with site.listening() as first, site.listening(), MqttClient.of(device, site.broker.port) as client:
        assert client.connect() == 0
        assert becomes(site.root, device, "ONLINE")
        first.terminate()
        client.client.disconnect()
        assert becomes(site.root, device, "OFFLINE")


def test_a_listener_that_is_killed_has_lost_nothing(site: Site, device: FieldDevice) -> None:
    with Forked(site.arguments(), site.environment(), stderr=site.directory / "listener.log") as listener:
        assert listener.stdout is not None
        listener.stdout.readline()
        os.kill(listener.pid, signal.SIGSTOP)
        with MqttClient.of(device, site.broker.port) as client:
            assert client.connect() == 0
        listener.kill()
    with site.listening():
        assert becomes(site.root, device, "OFFLINE")


def test_over_tls_and_with_secrets_from_files(site: Site, device: FieldDevice) -> None:
    files = certify(site.directory)
    password, secret = site.directory / "password", site.directory / "secret"
    password.write_text(f"{LISTENER_PASSWORD}\n")
    secret.write_text(f"{SECRET}\n")
    with TlsProxy(*files, site.broker.amqp_port) as amqps, TlsProxy(*files, site.server.port) as https:
        arguments = called(f"amqps://{LISTENER}@127.0.0.1:{amqps.port}", f"https://127.0.0.1:{https.port}")
        arguments += ["--password-file", str(password), "--secret-file", str(secret)]
        others = {"NAMEPLATE_RABBITMQ_PASSWORD": "another", "NAMEPLATE_BROKER_SECRET": "another"}
        with site.listening(*arguments, SSL_CERT_FILE=str(files[0]), **others):
            with MqttClient.of(device, site.broker.port) as client:
                assert client.connect() == 0
            assert becomes(site.root, device, "OFFLINE")


def test_it_may_be_told_to_end_twice(site: Site) -> None:
    with site.listening() as listener:
        for _ in range(5):
            listener.terminate()


def test_one_identity_from_two_addresses_is_a_clone(site: Site, device: FieldDevice) -> None:
    with (
        site.listening(),
        MqttClient.of(device, site.broker.port, "one") as one,
        MqttClient.of(device, site.broker.port, "two") as two,
    ):
        assert one.connect() == 0
        assert two.connect("127.0.0.2") == 0
        alarm = f"clone product_key={device.product_key} device_name={device.name}"
        wait_until(lambda: alarm in site.server.log)
        line = next(line for line in site.server.log.splitlines() if alarm in line)
        assert "address=127.0.0.2 other_address=127.0.0.1" in line
        one.client.disconnect()
        time.sleep(1)
        assert status(site.root, device) == "ONLINE"
    with site.listening():
        assert becomes(site.root, device, "OFFLINE")


def test_a_server_that_is_away_is_told_when_it_is_back(site: Site, device: FieldDevice) -> None:
    with site.listening(), MqttClient.of(device, site.broker.port) as client:
        assert client.connect() == 0
        assert becomes(site.root, device, "ONLINE")
        assert site.server.stop() == 0
        client.client.disconnect()
        wait_until(lambda: "The server cannot be told" in site.log)
        site.server.start_again()
        assert becomes(site.root, device, "OFFLINE", 60)


def test_after_a_crash_of_the_broker_those_who_do_not_come_back_are_offline(
    site: Site, product: str, device: FieldDevice
) -> None:
    other = register(site.root, product, f"light-{uuid4().hex[:8]}")
    with site.listening():
        # A client id of each one's own: a broker has one connection of a client id.
        with (
            MqttClient.of(device, site.broker.port, device.name) as one,
            MqttClient.of(other, site.broker.port, other.name) as two,
        ):
            assert (one.connect(), two.connect()) == (0, 0)
            assert becomes(site.root, device, "ONLINE")
            assert becomes(site.root, other, "ONLINE")
            site.broker.crash()
        with MqttClient.of(other, site.broker.port, other.name) as again:
            assert again.connect() == 0
            assert becomes(site.root, device, "OFFLINE", 90)
            assert becomes(site.root, other, "ONLINE")
        assert becomes(site.root, other, "OFFLINE")
    assert "is away" in site.log


@pytest.mark.parametrize(
    ("user", "vhost", "settings", "message"),
    [
        (LISTENER, "", {"NAMEPLATE_RABBITMQ_PASSWORD": "another"}, "does not let in the user nameplate with this"),
        (LISTENER, ELSEWHERE, {}, "rabbitmq-plugins enable rabbitmq_event_exchange"),
        (LISTENER, "nowhere", {}, "keeps nameplate out of the virtual host nowhere"),
        (NOBODY, "", {}, "does not allow nobody what it needs"),
        (LISTENER, "", {"NAMEPLATE_BROKER_SECRET": "another"}, "InvalidHookSecret"),
    ],
)
def test_what_somebody_has_to_put_right_is_said(
    site: Site, user: str, vhost: str, settings: dict[str, str], message: str
) -> None:
    ended = run(site.arguments(user, vhost), site.environment(**settings), timeout=60)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not any(secret in ended.stderr for secret in (LISTENER_PASSWORD, SECRET, "another"))
