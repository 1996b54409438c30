"""The status of devices that follows from their connections, event by event, on both databases."""

from dataclasses import replace

import pytest

from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.domain.device_auth import Identity
from nameplate.domain.presence import Connection
from nameplate.store.applicants import Applicant
from nameplate.store.connections import Event, Kind
from nameplate.store.devices import Device
from tests.support.account import Account

MOMENT = 1_700_000_000_000


class Light:
    """One device and what happens to it, and to another at once."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        account = Account(registry)
        self.identity = Identity(account.product(), "light1")
        account.register(self.identity.product_key, "light1", "light2")
        self.other = self.find("light2")

    def find(self, name: str) -> Applicant:
        found = self.registry.store.applicants.find(self.identity._replace(device_name=name))
        assert found is not None
        return found

    @property
    def applicant(self) -> Applicant:
        return self.find("light1")

    @property
    def device(self) -> Device:
        found = self.registry.store.devices.find(self.applicant.id)
        assert found is not None
        return found

    def happens(self, kind: Kind, moment: int = MOMENT, applicant: Applicant | None = None) -> Device:
        connection = Connection("client", "10.0.0.1", "10.0.0.1:1", moment)
        events = [Event(kind, one, connection) for one in (applicant or self.applicant, self.other)]
        self.registry.store.connections.record(events)
        return self.device


@pytest.fixture
def light(registry: Registry) -> Light:
    return Light(registry)


def test_who_comes_is_online_and_who_goes_is_not(light: Light) -> None:
    came = light.happens(Kind.CONNECTED)
    assert (came.status, came.activated_at, came.online_at, came.status_at) == (Status.ONLINE, *[MOMENT] * 3)
    gone = light.happens(Kind.DISCONNECTED, MOMENT + 1)
    assert gone == replace(came, status=Status.OFFLINE, status_at=MOMENT + 1)


def test_who_comes_again_without_having_gone_has_come_last_then(light: Light) -> None:
    light.happens(Kind.ADMITTED)
    first = light.happens(Kind.CONNECTED, MOMENT + 1)
    assert first.online_at == MOMENT
    again = light.happens(Kind.CONNECTED, MOMENT + 60_000)
    assert again == replace(first, online_at=MOMENT + 60_000)


def test_who_came_with_a_secret_that_was_changed_meanwhile_is_not_active(light: Light) -> None:
    before = light.applicant
    assert light.registry.store.applicants.renew(before)
    assert light.happens(Kind.ADMITTED, applicant=before).status == Status.UNACTIVE
    assert light.happens(Kind.ADMITTED).status == Status.ONLINE


def test_who_is_disabled_and_enabled_while_connected_is_online(light: Light) -> None:
    devices = light.registry.store.devices
    light.happens(Kind.CONNECTED)
    devices.disable(light.device, MOMENT + 1)
    assert light.happens(Kind.CONNECTED, MOMENT + 2).status == Status.DISABLE
    devices.enable(light.device, MOMENT + 3)
    assert light.device.status == Status.ONLINE
    devices.disable(light.device, MOMENT + 4)
    light.happens(Kind.DISCONNECTED, MOMENT + 5)
    devices.enable(light.device, MOMENT + 6)
    assert light.device.status == Status.OFFLINE


def test_of_a_node_only_the_connections_since_it_was_started_remain(light: Light) -> None:
    connections = light.registry.store.connections

    def connect(applicant: Applicant, *peers: str) -> None:
        events = [Event(Kind.CONNECTED, applicant, Connection(peer, "", peer, MOMENT)) for peer in peers]
        connections.record(events)

    connect(light.applicant, "b.1.x", "b.3.x", "b.x")
    connect(light.other, "b.1.y", "b.2.y", "B.1.y", "a.1.y", "c.1.y", "b-.1.y", "bb.1.y")
    assert connections.forget_others("b.", "b.2.", MOMENT + 5) == 4
    assert (light.device.status, light.device.status_at) == (Status.OFFLINE, MOMENT + 5)
    assert light.find("light2").status == Status.ONLINE
    peers = ["b.1.y", "b.2.y", "B.1.y", "a.1.y", "c.1.y", "b-.1.y", "bb.1.y", "b.1.x", "b.3.x", "b.x"]
    left = {peer: (number, client_id) for peer, number, client_id in connections.at(peers)}
    assert left == {peer: (light.other.id, peer) for peer in peers[1:7]}
    assert connections.forget_others("b.", "b.2.", MOMENT + 6) == 0
    assert connections.at([]) == []


def test_who_comes_and_goes_many_times_at_once_has_come_last_when_it_did(light: Light) -> None:
    moments = (MOMENT, MOMENT + 60_000, MOMENT + 120_000)
    kinds = (Kind.CONNECTED, Kind.DISCONNECTED, Kind.CONNECTED)
    connection = Connection("client", "", "peer", 0)
    events = [
        Event(kind, light.applicant, replace(connection, since=since))
        for kind, since in zip(kinds, moments, strict=True)
    ]
    light.registry.store.connections.record(events)
    assert (light.device.status, light.device.online_at) == (Status.ONLINE, MOMENT + 120_000)
