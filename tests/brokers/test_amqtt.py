"""The vendor's device SDK through the broker amqtt, which asks Nameplate."""

import hmac
import json
import queue
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.amqtt_broker import AmqttBroker
from tests.support.devices import FieldDevice, becomes, register, status
from tests.support.mqtt import MqttClient
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.tls import TlsProxy, certify
from tests.support.vendor_device import needs_linkkit, require_it_is_refused_until_enabled, run, works

SECRET = "what-amqtt-sends"
RANDOM = "7y4Jg5xdKCy9W2i"
HOST = "iot-auth.cn-shanghai.aliyuncs.com"


class Site(NamedTuple):
    """A server, a broker that asks it, and the certificate of both on the network."""

    server: Server
    broker: AmqttBroker
    certificate: Path
    key: Path

    @property
    def root(self) -> Client:
        return self.server.root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("amqtt")
    server = Server(directory / "data", broker_secret=SECRET).start()
    certificate, key = certify(directory, HOST)
    ca = directory / "devices-ca.pem"
    ca.write_text(server.command("ca", "show"))
    with AmqttBroker(directory, f"http://127.0.0.1:{server.port}", SECRET, (certificate, key), ca) as broker:
        yield Site(server, broker, certificate, key)
    assert server.stop() == 0
    assert "Traceback" not in server.log
    # It has some of its own, for clients that go without a word.
    assert "nameplate/brokers" not in broker.log
    assert SECRET not in server.log + broker.log


@pytest.fixture(scope="module")
def product(site: Site) -> tuple[str, str]:
    """A product whose devices may fetch their secrets: its key and its own secret."""
    made = site.root.call("CreateProduct", ProductName="lights", NodeType="0")
    site.server.command("access", "dynamic-registration", made["ProductKey"], "--on")
    return made["ProductKey"], made["Data"]["ProductSecret"]


@pytest.fixture
def device(site: Site, product: tuple[str, str]) -> FieldDevice:
    return register(site.root, product[0], f"light-{uuid4().hex[:8]}")


@needs_linkkit
def test_a_device_of_a_batch_connects_publishes_and_subscribes(site: Site, product: tuple[str, str]) -> None:
    (row,) = batch.devices(site.root, batch.register(site.root, product[0], ["of-a-batch"]))
    found = FieldDevice(product[0], row["DeviceName"], row["DeviceSecret"])
    assert works(found, site.broker.port)
    assert works(found, site.broker.tls_port, cadata=site.certificate.read_text())
    assert becomes(site.root, found, "OFFLINE")


@needs_linkkit
def test_a_device_with_an_imported_secret_does(site: Site, product: tuple[str, str]) -> None:
    site.root.call("ImportDevice", ProductKey=product[0], DeviceName="imported", DeviceSecret="from-the-cloud.1")
    assert works(FieldDevice(product[0], "imported", "from-the-cloud.1"), site.broker.port)


@needs_linkkit
def test_who_may_not_connect_is_refused_and_let_in_again_when_enabled(site: Site, device: FieldDevice) -> None:
    require_it_is_refused_until_enabled(device, site.server, site.broker.port)


@needs_linkkit
def test_a_device_fetches_its_secret_with_the_sdks_own_request(
    site: Site, device: FieldDevice, product: tuple[str, str]
) -> None:
    names = {"product_key": device.product_key, "name": device.name, "product_secret": product[1]}
    cadata = site.certificate.read_text()
    with TlsProxy(site.certificate, site.key, site.server.port) as proxy:
        found = run(do="register", **names, port=site.broker.tls_port, https=proxy.port, cadata=cadata)
    assert found["code"] == 0
    assert works(FieldDevice(device.product_key, device.name, found["secret"]), site.broker.port)


@needs_linkkit
def test_a_device_fetches_its_secret_over_mqtt(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    names = {"product_key": device.product_key, "name": device.name, "auth_type": "register"}
    cadata = site.certificate.read_text()
    there = {**names, "port": site.broker.tls_port, "https": 0, "cadata": cadata}
    found = run(do="register", product_secret=product[1], **there)
    assert found["code"] == 0
    assert works(FieldDevice(device.product_key, device.name, found["secret"]), site.broker.port)
    assert run(do="register", product_secret="another-secret-1", **there)["secret"] is None


def registering(device: FieldDevice, product_secret: str, port: int) -> MqttClient:
    """A client that asks for the device's secret."""
    content = f"deviceName{device.name}productKey{device.product_key}random{RANDOM}"
    password = hmac.new(product_secret.encode(), content.encode(), "sha256").hexdigest()
    client_id = f"x|random={RANDOM},authType=register,securemode=2,signmethod=hmacsha256|"
    return MqttClient(port, client_id, device.username, password)


def secured(client: MqttClient, site: Site, device: tuple[Path, Path] | None = None) -> MqttClient:
    context = ssl.create_default_context(cafile=str(site.certificate))
    if device is not None:
        context.load_cert_chain(*device)
    client.client.tls_set_context(context)
    return client


def test_by_paho_it_gets_its_secret_without_a_subscription_and_nothing_else(
    site: Site, device: FieldDevice, product: tuple[str, str]
) -> None:
    with secured(registering(device, product[1], site.broker.tls_port), site) as client:
        assert client.connect() == 0
        message = client.receive()
        assert message is not None
        assert message[0] == "/ext/register"
        answer = json.loads(message[1])
        assert client.subscribe(f"/sys/{device.product_key}/{device.name}/#") == [128]
    assert (answer["productKey"], answer["deviceName"]) == (device.product_key, device.name)
    # To fetch a secret is not to connect.
    assert status(site.root, device) == "UNACTIVE"
    with MqttClient.of(
        FieldDevice(device.product_key, device.name, answer["deviceSecret"]), site.broker.port
    ) as client:
        assert client.connect() == 0
    assert becomes(site.root, device, "OFFLINE")


def test_whoever_fetches_a_secret_leaves_no_will(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    topic = f"/{device.product_key}/{device.name}/user/get"
    with MqttClient.of(device, site.broker.port) as listening:
        assert listening.connect() == 0
        assert listening.subscribe(topic) == [1]
        other = register(site.root, product[0], f"light-{uuid4().hex[:8]}")
        client = secured(registering(other, product[1], site.broker.tls_port), site)
        client.client.will_set(topic, "from beyond", 1)
        assert client.connect() == 0
        client.drop()
        assert listening.receive(1) is None


def test_without_tls_no_secret_is_sent(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    with registering(device, product[1], site.broker.port) as client:
        assert client.connect() != 0
    assert "outcome=insecure" in site.server.log


def test_a_device_is_online_while_it_is_connected_and_kept_to_its_topics(site: Site, device: FieldDevice) -> None:
    own, other = f"/{device.product_key}/{device.name}/user/get", f"/{device.product_key}/another/user/get"
    with MqttClient.of(device, site.broker.port) as client:
        assert client.connect() == 0
        assert becomes(site.root, device, "ONLINE")
        assert client.subscribe(other) == [128]
        assert client.subscribe(f"/{device.product_key}/#") == [128]
        assert client.subscribe(own) == [1]
        client.client.publish(other, "not mine", 1)
        client.client.publish(own, "mine", 1)
        assert client.receive() == (own, b"mine")
    assert becomes(site.root, device, "OFFLINE")


def test_a_session_that_is_kept_stays_its_devices(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    other = register(site.root, product[0], f"light-{uuid4().hex[:8]}")
    own, theirs = (f"/{one.product_key}/{one.name}/user/get" for one in (device, other))
    with MqttClient.of(device, site.broker.port, "kept", is_clean=False) as client:
        assert client.connect() == 0
        assert client.subscribe(own) == [1]
    for password in (other.password("kept"), "0" * 64):
        intruder = MqttClient(site.broker.port, device.client_id("kept"), other.username, password, is_clean=False)
        with intruder:
            assert intruder.connect() > 0
    with MqttClient.of(device, site.broker.port, "kept", is_clean=False) as client:
        assert client.connect() == 0
        assert client.subscribe(theirs) == [128]
        client.client.publish(own, "mine", 1)
        assert client.receive() == (own, b"mine")


def test_nobody_becomes_another_by_asking_again(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    other = register(site.root, product[0], f"light-{uuid4().hex[:8]}")
    theirs = f"/{other.product_key}/{other.name}/user/get"
    for number in range(10):
        chosen = f"swap{number}"
        with MqttClient.of(device, site.broker.port, chosen, is_clean=False) as client:
            assert client.connect() == 0
            client_id = device.client_id(chosen)
            with MqttClient(site.broker.port, client_id, other.username, "0" * 64, is_clean=False) as intruder:
                intruder.client.connect_async("127.0.0.1", site.broker.port)
                intruder.client.loop_start()
                granted = []
                for _ in range(20):
                    if not client.client.is_connected():
                        break
                    client.client.subscribe(theirs, 1)
                    time.sleep(0.001)
                with suppress(queue.Empty):
                    while True:
                        granted += client.next("subscribe", seconds=0.2)[1]
        assert set(granted) <= {128}


def test_a_device_that_takes_its_own_session_over_stays_online(site: Site, device: FieldDevice) -> None:
    with MqttClient.of(device, site.broker.port, device.name, is_clean=False) as first:
        assert first.connect() == 0
        assert becomes(site.root, device, "ONLINE")
        with MqttClient.of(device, site.broker.port, device.name, is_clean=False) as second:
            assert second.connect() == 0
            assert first.next("disconnect")
            time.sleep(0.5)
            assert status(site.root, device) == "ONLINE"
    assert becomes(site.root, device, "OFFLINE")


def test_a_will_goes_to_its_devices_own_topics_only(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    other = register(site.root, product[0], f"light-{uuid4().hex[:8]}")
    topic = f"/{device.product_key}/{device.name}/user/get"
    with MqttClient.of(device, site.broker.port, "listening") as listening:
        assert listening.connect() == 0
        assert listening.subscribe(topic) == [1]
        for sender, expected in ((other, None), (device, (topic, b"from beyond"))):
            client = MqttClient.of(sender, site.broker.port, "dying")
            client.client.will_set(topic, "from beyond", 1)
            assert client.connect() == 0
            client.drop()
            assert listening.receive(2) == expected


def test_no_message_is_retained(site: Site, device: FieldDevice, product: tuple[str, str]) -> None:
    other = register(site.root, product[0], f"light-{uuid4().hex[:8]}")
    topic = f"/{device.product_key}/{device.name}/user/get"
    with MqttClient.of(device, site.broker.port) as client:
        assert client.connect() == 0
        assert client.subscribe(topic) == [1]
        client.client.publish(topic, "kept", 0, retain=True)
        assert client.receive() == (topic, b"kept")
        with MqttClient.of(other, site.broker.port, "newcomer") as newcomer:
            assert newcomer.connect() == 0
            assert newcomer.receive(0.5) is None
        assert client.subscribe(f"/{device.product_key}/{device.name}/#") == [1]
        assert client.receive(0.5) is None


def certified(site: Site, directory: Path, key: str, name: str) -> tuple[dict[str, Any], tuple[Path, Path]]:
    """Register a device with a certificate, and write that and its key to files."""
    made = site.root.call("RegisterDevice", ProductKey=key, DeviceName=name)["Data"]
    info = site.root.call("QueryDeviceCert", ProductKey=key, DeviceName=name)["DeviceCertInfo"]
    files = directory / f"{name}.pem", directory / f"{name}.key"
    for path, text in zip(files, (info["Certificate"], info["PrivateKey"]), strict=True):
        path.write_text(text)
    return made, files


def test_a_device_connects_with_its_certificate_while_it_is_enabled(site: Site, tmp_path: Path) -> None:
    key = site.root.call("CreateProduct", ProductName="certified", NodeType="0", AuthType="x509")["ProductKey"]
    made, files = certified(site, tmp_path, key, "light-x509")
    names = {"ProductKey": key, "DeviceName": made["DeviceName"]}
    own, device = f"/{key}/light-x509/user/get", FieldDevice(key, "light-x509", "")

    def connect(username: str) -> MqttClient:
        return secured(MqttClient(site.broker.tls_port, "any", username, "x" if username else None), site, files)

    with connect(device.username) as client:
        assert client.connect() == 0
        assert becomes(site.root, device, "ONLINE")
        assert client.subscribe(own) == [1]
        assert client.subscribe(f"/{key}/#") == [128]
    with connect(f"another&{key}") as client:
        assert client.connect() != 0
    with MqttClient(site.broker.port, "any", device.username, "x") as client:
        assert client.connect() != 0
    # Of a session that is kept amqtt knows the first connection's certificate only.
    kept = {"is_clean": False}
    with secured(MqttClient(site.broker.tls_port, "kept", device.username, "x", **kept), site, files) as client:
        assert client.connect() == 0
    with MqttClient(site.broker.port, "kept", device.username, "x", **kept) as client:
        assert client.connect() > 0
    site.root.call("DisableThing", **names)
    with connect(device.username) as client:
        assert client.connect() != 0
