"""What every adapter stands on: it asks the gate, and the gate checks and remembers."""

from collections.abc import Iterable, Sequence
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
            self._put(Kind.ADMITTED, device, credentials.client_id, "", "")
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

    def disconnected(self, username: str, client_id: str, peer: str = "") -> Verdict:
        """Take note that a device's connection has ended."""
        return self._happened(Kind.DISCONNECTED, username, client_id, "", peer)

    def gone(self, client_id: str) -> Verdict:
        """Take note that the connection of a client id has ended, whoever's it was."""
        store = self._registry.store
        for number in store.connections.holders(client_id):
            device = store.applicants.get(number)
            if device is not None:
                self._put(Kind.DISCONNECTED, device, client_id, "", "")
        return Verdict(Reason.ALLOWED)

    def _happened(self, kind: Kind, username: str, client_id: str, address: str, peer: str) -> Verdict:
        device = self.check.find(username)
        if device is None or len(client_id) > CLIENT_ID_LENGTH or max(len(address), len(peer)) > _ADDRESS_LENGTH:
            return Verdict(Reason.UNKNOWN, device)
        self._put(kind, device, client_id, address, peer)
        return Verdict(Reason.ALLOWED, device)

    def _put(self, kind: Kind, device: Applicant, client_id: str, address: str, peer: str) -> None:
        now = self._registry.clock()
        self._presence.put(Event(kind, device, Connection(client_id, address, peer, now)))
