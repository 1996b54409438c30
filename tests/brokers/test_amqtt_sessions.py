"""A session of amqtt is one device's: whoever else names its client id gets nothing of it and changes nothing in it."""

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.amqtt_site import Site, certified, registering, registrable, running, secured
from tests.support.devices import FieldDevice, becomes, register, status
from tests.support.disk import wait_until
from tests.support.mqtt import MqttClient

REFUSED = 135
"""Not authorised, as paho puts it."""

A_MOMENT = 1.0
"""Enough for what must not come to have come."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("amqtt-sessions")) as found:
        yield found


@pytest.fixture(scope="module")
def product(site: Site) -> tuple[str, str]:
    return registrable(site)


@pytest.fixture(scope="module")
def certified_product(site: Site) -> str:
    made = site.root.call("CreateProduct", ProductName="certified", NodeType="0", AuthType="x509")
    return str(made["ProductKey"])


@pytest.fixture
def alice(site: Site, product: tuple[str, str]) -> FieldDevice:
    return register(site.root, product[0], f"alice-{uuid4().hex[:8]}")


@pytest.fixture
def bob(site: Site, product: tuple[str, str]) -> FieldDevice:
    return register(site.root, product[0], f"bob-{uuid4().hex[:8]}")


def kept(device: FieldDevice, site: Site, password: str | None = None) -> MqttClient:
    """A client whose session is kept; with a password of its own choice."""
    password = device.password() if password is None else password
    return MqttClient(site.broker.port, device.client_id(), device.username, password, clean=False)


def own(device: FieldDevice) -> str:
    return f"/{device.product_key}/{device.name}/user/get"


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_a_certificate_is_no_good_on_anothers_connection(
    site: Site, certified_product: str, tmp_path: Path, *, clean: bool, is_there: bool
) -> None:
    device = FieldDevice(certified_product, f"cert-{uuid4().hex[:8]}", "")
    _, files = certified(site, tmp_path, device.product_key, device.name)
    victim = secured(MqttClient(site.broker.tls_port, device.name, device.username, "x", clean=clean), site, files)
    thief = MqttClient(site.broker.port, device.name, device.username, "any", clean=False)
    with victim, thief:
        assert victim.connect() == 0
        if not is_there:
            victim.client.disconnect()
            assert becomes(site.root, device, "OFFLINE")
        assert thief.connect() == REFUSED
        assert not is_there or victim.subscribe(f"/sys/{device.product_key}/{device.name}/#") == [1]


def test_a_session_with_tls_makes_no_other_secure(site: Site, bob: FieldDevice, product: tuple[str, str]) -> None:
    first = secured(registering(bob, product[1], site.broker.tls_port), site)
    again = registering(bob, product[1], site.broker.port, clean=False)
    with first, again:
        assert first.connect() == 0
        assert again.connect() == REFUSED


def test_whoever_has_no_password_does_not_disturb_who_is_connected(
    site: Site, alice: FieldDevice, bob: FieldDevice
) -> None:
    with kept(alice, site) as her, MqttClient.of(bob, site.broker.port, "bob") as him:
        assert (her.connect(), him.connect()) == (0, 0)
        assert him.subscribe(own(bob)) == [1]
        for password in ("0" * 64, ""):
            for clean in (False, True):
                with MqttClient(site.broker.port, alice.client_id(), bob.username, password, clean=clean) as thief:
                    thief.client.will_set(own(bob), "EVIL")
                    assert thief.connect() == REFUSED
                assert her.subscribe(own(bob)) == [128]
        assert her.subscribe(own(alice)) == [1]
        assert status(site.root, alice) == "ONLINE"
        assert him.receive(A_MOMENT) is None


def test_no_answer_is_waited_for_as_another(site: Site, alice: FieldDevice, bob: FieldDevice) -> None:
    for _ in range(10):
        with kept(alice, site) as her, kept(bob, site, "0" * 64) as thief:
            assert her.connect() == 0
            for _ in range(30):
                her.client.subscribe(own(bob))
            assert thief.connect() == REFUSED
            assert {her.next("subscribe")[1][0] for _ in range(30)} == {128}


def test_devices_that_choose_one_client_id_share_nothing_by_it(
    site: Site, alice: FieldDevice, bob: FieldDevice
) -> None:
    with kept(alice, site) as her:
        assert her.connect() == 0
        assert her.subscribe(own(alice)) == [1]
    with kept(bob, site) as him, MqttClient.of(alice, site.broker.port, "other") as sender:
        assert (him.connect(), sender.connect()) == (0, 0)
        sender.client.publish(own(alice), "for alice", 1)
        assert him.receive(A_MOMENT) is None
    with kept(alice, site) as her:
        assert her.connect() == 0
        assert her.receive() == (own(alice), b"for alice")


@pytest.mark.parametrize("clean", [True, False])
def test_a_device_that_comes_again_replaces_itself(site: Site, alice: FieldDevice, *, clean: bool) -> None:
    def client() -> MqttClient:
        return MqttClient(site.broker.port, alice.client_id(), alice.username, alice.password(), clean=clean)

    with client() as first, client() as second:
        assert first.connect() == 0
        assert first.subscribe(own(alice)) == [1]
        assert second.connect("127.0.0.2") == 0
        assert first.next("disconnect")
        # From two places at once: it may be a clone.
        wait_until(lambda: any(alice.name in line and " clone " in line for line in site.server.log.splitlines()))
        assert not becomes(site.root, alice, "OFFLINE", A_MOMENT)
        assert second.subscribe(own(alice)) == [1]
        second.client.publish(own(alice), "still here", 1)
        assert second.receive() == (own(alice), b"still here")
    assert becomes(site.root, alice, "OFFLINE")


def breaks(client: MqttClient) -> None:
    """Lose the connection as a device does that loses its power."""
    found = client.client.socket()
    assert isinstance(found, socket.socket)
    found.shutdown(socket.SHUT_RDWR)
    assert client.next("disconnect")


def test_a_will_goes_where_its_device_may_publish(site: Site, alice: FieldDevice, bob: FieldDevice) -> None:
    with MqttClient.of(bob, site.broker.port, "bob") as him, MqttClient.of(alice, site.broker.port, "other") as herself:
        assert (him.connect(), herself.connect()) == (0, 0)
        assert (him.subscribe(own(bob)), herself.subscribe(own(alice))) == ([1], [1])
        for topic in (own(bob), own(alice)):
            with MqttClient.of(alice, site.broker.port) as her:
                her.client.will_set(topic, "gone", 1, retain=True)
                assert her.connect() == 0
                breaks(her)
        assert herself.receive() == (own(alice), b"gone")
        assert him.receive(A_MOMENT) is None
    with MqttClient.of(bob, site.broker.port, "bob") as later:
        assert later.connect() == 0
        assert later.receive(A_MOMENT) is None


def test_who_fetches_a_secret_leaves_no_will(
    site: Site, alice: FieldDevice, bob: FieldDevice, product: tuple[str, str]
) -> None:
    with MqttClient.of(bob, site.broker.port, "bob") as him:
        assert him.connect() == 0
        assert him.subscribe(own(bob)) == [1]
        with secured(registering(alice, product[1], site.broker.tls_port), site) as client:
            client.client.will_set(own(bob), "by the product's secret")
            assert client.connect() == 0
            assert client.receive() is not None
            breaks(client)
        assert him.receive(A_MOMENT) is None


def test_a_message_to_be_retained_is_delivered_and_not_kept(site: Site, alice: FieldDevice, bob: FieldDevice) -> None:
    with MqttClient.of(bob, site.broker.port, "bob") as him:
        assert him.connect() == 0
        assert him.subscribe(own(bob)) == [1]
        him.client.publish(own(bob), "for bob", 1, retain=True)
        assert him.receive() == (own(bob), b"for bob")
        with MqttClient.of(alice, site.broker.port) as her:
            assert her.connect() == 0
            assert her.receive(A_MOMENT) is None
