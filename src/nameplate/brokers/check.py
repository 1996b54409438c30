"""The one check behind every broker's hook: whether a device may connect, and whether it may use a topic.

A check reads one row, derives one secret and compares one signature. It changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from nameplate.call import Registry
from nameplate.domain.certificates import Subject
from nameplate.domain.device import Status
from nameplate.domain.device_auth import (
    DEFAULT_METHOD,
    ClientId,
    Identity,
    connect_content,
    is_method,
    is_signed,
    read_client_id,
    read_username,
)
from nameplate.domain.presence import CLIENT_ID_LENGTH
from nameplate.domain.subjects import read_subject
from nameplate.domain.topics import Action, allowed, is_own
from nameplate.store.applicants import Applicant

_REGISTERING: Final = ("register", "regnwl", "connwl")


class Reason(StrEnum):
    """What came of a check: why a device is kept out, or that it is not."""

    ALLOWED = "allowed"
    MALFORMED = "malformed"
    """Client id, user name or topic are not of the platform's form."""

    METHOD = "method"
    """The signature method is none of hmacmd5, hmacsha1 and hmacsha256."""

    UNKNOWN = "unknown"
    """There is no such device, or not any more."""

    DISABLED = "disabled"
    WRONG_SECRET = "wrong-secret"  # noqa: S105 (a word, not a password)
    CERTIFICATE_NEEDED = "certificate-needed"
    """Devices of this product prove who they are with certificates."""

    WRONG_CERTIFICATE = "wrong-certificate"
    """The certificate is another device's, or of a product whose devices have secrets."""

    REGISTERING = "registering"
    """The device wants its secret, which this broker cannot hand out."""

    NOT_REGISTRABLE = "not-registrable"
    """The product's devices may not fetch their secrets, or this one has connected before."""

    EXHAUSTED = "exhausted"
    """The device has fetched as many secrets as one can have."""

    FOREIGN_TOPIC = "foreign-topic"
    """The topic is neither the device's own nor one that its product allows."""

    AMBIGUOUS_NAME = "ambiguous-name"
    """The broker cannot tell this device's topics from others'."""

    INSECURE = "insecure"
    """This is not done without TLS."""


class Verdict(NamedTuple):
    """What came of a check, and for which device if there is one."""

    reason: Reason
    device: Applicant | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the device may do what it wants to."""
        return self.reason is Reason.ALLOWED


class Credentials(NamedTuple):
    """What a device gave when it connected, or (with `subject`) what its certificate says, which the broker checked."""

    client_id: str
    username: str
    password: str = ""
    subject: str = ""


def identify(username: str) -> Identity | None:
    """Return whom a user name stands for that a broker has let in: two names, or the subject of a certificate."""
    identity = read_username(username)
    if identity is None:
        subject = read_subject(username)
        identity = None if subject is None else subject.identity
    return identity


class Check:
    """Checks against one registry."""

    def __init__(self, registry: Registry, found: Mapping[Identity, Applicant | None] | None = None) -> None:
        """Check against what the registry has, but for devices that were `found`, or not found, just now."""
        self._registry = registry
        self._applicants = registry.store.applicants
        self._access = registry.store.device_access
        self._found = found or {}

    def ahead(self, identities: Iterable[Identity]) -> "Check":
        """Return a check that has looked up these devices already, all at once."""
        sought = set(identities)
        return Check(self._registry, dict.fromkeys(sought) | self._applicants.find_all(sought))

    def connect(self, credentials: Credentials) -> Verdict:
        """Whether a device may connect."""
        if len(credentials.client_id) > CLIENT_ID_LENGTH:
            return Verdict(Reason.MALFORMED)
        return self._by_certificate(credentials) if credentials.subject else self._by_secret(credentials)

    def topics(self, username: str, action: Action, topics: Sequence[str]) -> list[Verdict]:
        """Whether a device that is connected may publish to topics, or subscribe to filters: for each of them."""
        device = self.find(username)
        if device is None:
            return [Verdict(Reason.MALFORMED if identify(username) is None else Reason.UNKNOWN)] * len(topics)
        if device.status == Status.DISABLE:
            return [Verdict(Reason.DISABLED, device)] * len(topics)
        foreign = {topic for topic in topics if not is_own(device.identity, action, topic)}
        rules = self._access.rules(device.product_id) if foreign else []
        refused = foreign - allowed(device.identity, action, foreign, rules)
        return [Verdict(Reason.FOREIGN_TOPIC if topic in refused else Reason.ALLOWED, device) for topic in topics]

    def find(self, username: str) -> Applicant | None:
        """Return the device behind the user name of a connection, or behind the subject of its certificate."""
        identity = read_username(username)
        if identity is not None:
            return self._find(identity)
        subject = read_subject(username)
        if subject is None:
            return None
        device = self._find(subject.identity)
        return device if self._is_for(subject, device) else None

    def _is_for(self, subject: Subject, device: Applicant | None) -> bool:
        # A certificate outlives its device, and a new one may have the name.
        return device is not None and self._registry.iot_ids.read(subject.iot_id) == device.id

    def _find(self, identity: Identity) -> Applicant | None:
        return self._found[identity] if identity in self._found else self._applicants.find(identity)

    def _by_secret(self, credentials: Credentials) -> Verdict:
        identity, client_id = read_username(credentials.username), read_client_id(credentials.client_id)
        if identity is None or client_id is None:
            return Verdict(Reason.MALFORMED)
        if client_id.parameters.get("authType") in _REGISTERING:
            return Verdict(Reason.REGISTERING)
        device = self._find(identity)
        if device is None:
            return Verdict(Reason.UNKNOWN)
        return Verdict(self._compare(device, client_id, credentials.password), device)

    def _compare(self, device: Applicant, client_id: ClientId, password: str) -> Reason:
        method = client_id.parameters.get("signmethod", DEFAULT_METHOD)
        if not is_method(method):
            return Reason.METHOD
        if device.has_certificate:
            return Reason.CERTIFICATE_NEEDED
        secret = device.open_secret(self._registry.master)
        if not is_signed(method, secret, connect_content(device.identity, client_id), password):
            return Reason.WRONG_SECRET
        # Last, so that only who has the secret learns of it.
        return Reason.DISABLED if device.status == Status.DISABLE else Reason.ALLOWED

    def _by_certificate(self, credentials: Credentials) -> Verdict:
        subject = read_subject(credentials.subject)
        if subject is None:
            return Verdict(Reason.WRONG_CERTIFICATE)
        identity = subject.identity
        # The broker asks for topics by user name, so it must not be another's.
        if credentials.username and identify(credentials.username) != identity:
            return Verdict(Reason.MALFORMED)
        device = self._find(identity)
        if device is None:
            return Verdict(Reason.UNKNOWN)
        if not device.has_certificate or not self._is_for(subject, device):
            return Verdict(Reason.WRONG_CERTIFICATE, device)
        return Verdict(Reason.DISABLED if device.status == Status.DISABLE else Reason.ALLOWED, device)
