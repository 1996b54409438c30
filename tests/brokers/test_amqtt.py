"""The vendor's device SDK through the broker amqtt, which asks Nameplate."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.amqtt_site import Site, certified, registering, registrable, running, secured
from tests.support.devices import FieldDevice, becomes, register, status
from tests.support.mqtt import MqttClient
from tests.support.tls import TlsProxy
from tests.support.vendor_device import needs_linkkit, require_it_is_refused_until_enabled, run, works


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("amqtt")) as found:
        yield found


@pytest.fixture(scope="module")
def product(site: Site) -> tuple[str, str]:
    """A product whose devices may fetch their secrets: its key and its own secret."""
    return registrable(site)


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
    site.root.call("DisableThing", **names)
    with connect(device.username) as client:
        assert client.connect() != 0
