"""The vendor's device SDK through RabbitMQ, which asks Nameplate."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.devices import FieldDevice, becomes, register
from tests.support.mqtt import MqttClient
from tests.support.rabbitmq import RabbitMq, find_rabbitmq
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.vendor_device import needs_linkkit, require_it_is_refused_until_enabled, works

SECRET = "what-rabbitmq-sends"

pytestmark = pytest.mark.skipif(find_rabbitmq() is None, reason="RabbitMQ is not there: make test")


class Site(NamedTuple):
    """A server, and a broker that asks it."""

    server: Server
    broker: RabbitMq

    @property
    def root(self) -> Client:
        return self.server.root


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("rabbitmq")
    server = Server(directory / "data", broker_secret=SECRET).start()
    with RabbitMq(directory, server.port, SECRET) as broker:
        yield Site(server, broker)
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
