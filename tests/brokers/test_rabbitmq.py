"""The vendor's device SDK through RabbitMQ, which asks Nameplate."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.devices import FieldDevice, becomes, register
from tests.support.mqtt import MqttClient
from tests.support.rabbitmq import RabbitMq, find_rabbitmq
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.tls import certify
from tests.support.vendor_device import needs_linkkit, require_it_is_refused_until_enabled, works

SECRET = "what-rabbitmq-sends"

pytestmark = pytest.mark.skipif(find_rabbitmq() is None, reason="RabbitMQ is not there: make test")


class Site(NamedTuple):
    """A server, a broker that asks it, and the broker's certificate."""

    server: Server
    broker: RabbitMq
    certificate: Path

    @property
    def root(self) -> Client:
        return self.server.root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("rabbitmq")
    server = Server(directory / "data", broker_secret=SECRET).start()
    files, ca = certify(directory), directory / "devices-ca.pem"
    ca.write_text(server.command("ca", "show"))
    with RabbitMq(directory, server.port, SECRET, tls=(*files, ca)) as broker:
        yield Site(server, broker, files[0])
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def product(site: Site) -> str:
    return str(site.root.call("CreateProduct", ProductName="lights", NodeType="0")["ProductKey"])


@pytest.fixture
def device(site: Site, product: str) -> FieldDevice:
    return register(site.root, product, f"light-{uuid4().hex[:8]}")


@needs_linkkit
def test_a_device_of_a_batch_connects_publishes_and_subscribes(site: Site, product: str) -> None:
    (row,) = batch.devices(site.root, batch.register(site.root, product, ["of-a-batch"]))
    found = FieldDevice(product, row["DeviceName"], row["DeviceSecret"])
    assert works(found, site.broker.port)
    assert becomes(site.root, found, "ONLINE")


@needs_linkkit
def test_a_device_with_an_imported_secret_does(site: Site, product: str) -> None:
    site.root.call("ImportDevice", ProductKey=product, DeviceName="imported", DeviceSecret="from-the-cloud.1")
    assert works(FieldDevice(product, "imported", "from-the-cloud.1"), site.broker.port)


@needs_linkkit
def test_who_may_not_connect_is_refused_and_let_in_again_when_enabled(site: Site, device: FieldDevice) -> None:
    require_it_is_refused_until_enabled(device, site.server, site.broker.port)


@pytest.mark.parametrize("name", ["li:ght@1", "light_-"])
def test_every_character_of_a_name_but_the_dot_is_understood(site: Site, product: str, name: str) -> None:
    device = register(site.root, product, name)
    topic = f"/{product}/{name}/user/get"
    with MqttClient.of(device, site.broker.port, name) as client:
        assert client.connect() == 0
        assert client.subscribe(topic) == [1]
        client.client.publish(topic, "hello", 1)
        assert client.receive() == (topic, b"hello")


def test_a_name_with_a_dot_is_refused(site: Site, product: str) -> None:
    device = register(site.root, product, "light.1")
    with MqttClient.of(device, site.broker.port) as client:
        assert client.connect() != 0
    assert "outcome=ambiguous-name" in site.server.log


def test_a_device_is_kept_to_its_topics(site: Site, device: FieldDevice) -> None:
    for topic in (f"/{device.product_key}/another/user/get", f"/{device.product_key}/#", "#"):
        with MqttClient.of(device, site.broker.port, device.name) as client:
            assert client.connect() == 0
            assert client.subscribe(topic) in ([], [128])


def test_a_rule_with_a_dot_is_written_with_a_slash(site: Site, product: str, device: FieldDevice) -> None:
    topic = "/v1.0/up"

    def is_granted() -> bool:
        with MqttClient.of(device, site.broker.port, device.name) as client:
            assert client.connect() == 0
            return client.subscribe(topic) == [1]

    for action in ("publish", "subscribe"):
        site.server.command("access", "allow", product, action, topic)
    assert not is_granted()
    for action in ("publish", "subscribe"):
        site.server.command("access", "allow", product, action, "/v1/0/up")
    assert is_granted()
    with MqttClient.of(device, site.broker.port, device.name) as client:
        assert client.connect() == 0
        assert client.subscribe(topic) == [1]
        client.client.publish(topic, "hello", 1)
        assert client.receive() == ("/v1/0/up", b"hello")


class Certified(NamedTuple):
    """A device with a certificate, and where that and its key are."""

    device: FieldDevice
    iot_id: str
    files: tuple[Path, Path]

    def connecting(self, site: Site, username: str = "", password: str | None = None) -> MqttClient:
        context = ssl.create_default_context(cafile=str(site.certificate))
        context.load_cert_chain(*self.files)
        client = MqttClient(site.broker.tls_port, self.device.name, username, password)
        client.client.tls_set_context(context)
        return client


@pytest.fixture
def certified(site: Site, tmp_path: Path) -> Certified:
    key = site.root.call("CreateProduct", ProductName=f"x509_{uuid4().hex[:8]}", NodeType="0", AuthType="x509")[
        "ProductKey"
    ]
    name = f"x509-{uuid4().hex[:8]}"
    made = site.root.call("RegisterDevice", ProductKey=key, DeviceName=name)["Data"]
    info = site.root.call("QueryDeviceCert", ProductKey=key, DeviceName=name)["DeviceCertInfo"]
    files = tmp_path / "device.pem", tmp_path / "device.key"
    for path, text in zip(files, (info["Certificate"], info["PrivateKey"]), strict=True):
        path.write_text(text)
    return Certified(FieldDevice(key, name, ""), made["IotId"], files)


def test_a_device_connects_with_its_certificate_while_it_is_enabled(site: Site, certified: Certified) -> None:
    key, name = certified.device.product_key, certified.device.name
    own = f"/{key}/{name}/user/get"
    with certified.connecting(site) as client:
        assert client.connect() == 0
        assert becomes(site.root, certified.device, "ONLINE")
        assert client.subscribe(own) == [1]
        client.client.publish(own, "mine", 1)
        assert client.receive() == (own, b"mine")
        assert client.subscribe(f"/{key}/another/user/get") in ([], [128])
    site.root.call("DisableThing", ProductKey=key, DeviceName=name)
    with certified.connecting(site) as client:
        assert client.connect() != 0
    site.root.call("EnableThing", ProductKey=key, DeviceName=name)
    with certified.connecting(site) as client:
        assert client.connect() == 0
    site.root.call("DeleteDevice", ProductKey=key, DeviceName=name)
    site.root.call("RegisterDevice", ProductKey=key, DeviceName=name)
    with certified.connecting(site) as client:
        assert client.connect() != 0


@pytest.mark.parametrize("password", [None, ""])
def test_who_only_says_what_a_certificate_would_is_refused(
    site: Site, certified: Certified, password: str | None
) -> None:
    names = f"CN={certified.device.name},O={certified.device.product_key}"
    for subject in (f"SERIALNUMBER={certified.iot_id},{names}", f"{names},SERIALNUMBER={certified.iot_id}"):
        with MqttClient(site.broker.port, "any", subject, password) as client:
            assert client.connect() != 0


def test_a_certificate_opens_no_device_by_its_name(site: Site, certified: Certified, device: FieldDevice) -> None:
    for username in (device.username, certified.device.username):
        with certified.connecting(site, username, "x") as client:
            assert client.connect() != 0
