"""What every adapter stands on: it asks the gate, and the gate checks and remembers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from nameplate.brokers.check import Check, Credentials, Reason, Verdict
from nameplate.brokers.presence import Presence
from nameplate.brokers.registration import Registration
from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.domain.device_auth import Identity
from nameplate.domain.presence import CLIENT_ID_LENGTH, Connection
from nameplate.domain.topics import Action
from nameplate.store.applicants import Applicant
from nameplate.store.connections import Event, Kind

_SETTLED: Final = (Status.ONLINE, Status.DISABLE)
_ADDRESS_LENGTH: Final = 64


class Gate:
    """One registry's devices, as brokers ask for them."""

    def __init__(self, registry: Registry, presence: Presence, check: Check | None = None) -> None:
        self._registry = registry
        self._presence = presence
        self.check = check or Check(registry)
        self.registration = Registration(registry, presence.is_coming)

    def ahead(self, identities: Iterable[Identity]) -> "Gate":
        """Return a gate that has looked up these devices already, all at once."""
        return Gate(self._registry, self._presence, self.check.ahead(identities))

    def admit(self, credentials: Credentials) -> Verdict:
        """Whether a device may connect; one that may is ONLINE from now on, and active if it was not."""
        verdict = self.check.connect(credentials)
        device = verdict.device
        if verdict.is_allowed and device is not None and device.status not in _SETTLED:
            self.happened(Kind.ADMITTED, device, Connection(credentials.client_id, "", "", 0))
        return verdict

    def topic(self, username: str, action: Action, topic: str) -> Verdict:
        """Whether a device may publish to a topic, or subscribe to a filter."""
        return self.topics(username, action, [topic])[0]

    def topics(self, username: str, action: Action, topics: Sequence[str]) -> list[Verdict]:
        """Whether a device may publish to topics, or subscribe to filters: for each of them."""
        return self.check.topics(username, action, topics)

    def connected(self, username: str, client_id: str, address: str = "", peer: str = "") -> Verdict:
        """Take note that a device has connected."""
        return self._happened(Kind.CONNECTED, username, client_id, address, peer)

    def heard(self, device: Applicant, username: str, client_id: str) -> None:
        """Take note that a device uses a topic: it is connected, even if it was told of as gone."""
        if device.status == Status.OFFLINE and not self._presence.is_coming(device.id):
            self.connected(username, client_id)

    def disconnected(self, username: str, client_id: str, peer: str = "") -> Verdict:
        """Take note that a device's connection has ended."""
        return self._happened(Kind.DISCONNECTED, username, client_id, "", peer)

    def gone(self, client_id: str) -> Verdict:
        """Take note that the connection of a client id has ended, whoever's it was."""
        store = self._registry.store
        # First those that wait: what is written meanwhile is found after.
        found: dict[int, Applicant | None] = {device.id: device for device in self._presence.holders(client_id)}
        found |= {number: store.applicants.get(number) for number in store.connections.holders(client_id)}
        for device in filter(None, found.values()):
            self.happened(Kind.DISCONNECTED, device, Connection(client_id, "", "", 0))
        return Verdict(Reason.ALLOWED)

    def happened(self, kind: Kind, device: Applicant, connection: Connection) -> Verdict:
        """Take note of what has happened, at a moment that the broker tells; 0 is now."""
        longest = max(len(connection.address), len(connection.peer))
        if len(connection.client_id) > CLIENT_ID_LENGTH or longest > _ADDRESS_LENGTH:
            return Verdict(Reason.UNKNOWN, device)
        now = self._registry.clock()
        # A broker's clock may be ahead.
        self._presence.put(Event(kind, device, replace(connection, since=min(connection.since or now, now))))
        return Verdict(Reason.ALLOWED, device)

    def holders(self, peers: Sequence[str]) -> dict[str, list[tuple[Applicant, str]]]:
        """Return the devices that are connected from some peers, each with its client id."""
        store = self._registry.store
        found: dict[str, list[tuple[Applicant, str]]] = {}
        for peer, number, client_id in store.connections.at(peers):
            device = store.applicants.get(number)
            if device is not None:
                found.setdefault(peer, []).append((device, client_id))
        return found

    def restarted(self, node: str, life: str) -> None:
        """Take the connections of a broker's node for ended, but for those since it was started."""
        self._presence.forget_others(node, life, self._registry.clock())

    def settle(self) -> None:
        """Wait until what has happened is written."""
        self._presence.settle()

    def _happened(self, kind: Kind, username: str, client_id: str, address: str, peer: str) -> Verdict:
        device = self.check.find(username)
        if device is None:
            return Verdict(Reason.UNKNOWN)
        return self.happened(kind, device, Connection(client_id, address, peer, 0))
