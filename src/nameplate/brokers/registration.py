"""Devices that fetch their secrets: firmware with the product's secret only (the vendor's page 74006)."""

from collections.abc import Callable
from typing import Final, NamedTuple

from nameplate.brokers.check import Credentials, Reason
from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.domain.device_auth import (
    DEFAULT_METHOD,
    Identity,
    content,
    is_method,
    is_signed,
    read_client_id,
    read_username,
)
from nameplate.domain.product import AuthType
from nameplate.store.applicants import MOST_GENERATIONS, Applicant

# Of several that ask at once for one device, one changes its generation; the others look again.
_ATTEMPTS: Final = 5


class Claim(NamedTuple):
    """What a device sends to get its secret."""

    identity: Identity
    random: str
    method: str
    signature: str

    @property
    def content(self) -> str:
        """What the signature is over."""
        key, name = self.identity
        return content({"deviceName": name, "productKey": key, "random": self.random})


class Issued(NamedTuple):
    """What came of it: a secret, or why there is none."""

    reason: Reason
    identity: Identity | None = None
    secret: str = ""


class Registration:
    """Hands out secrets to devices that were registered before and have never connected."""

    def __init__(self, registry: Registry, is_coming: Callable[[int], bool]) -> None:
        """`is_coming` says of a device's id whether it has connected so lately that it is still to be written."""
        self._registry = registry
        self._is_coming = is_coming

    def by_connect(self, credentials: Credentials) -> Issued:
        """Issue the secret that a CONNECT with `authType=register` asks for."""
        identity, client_id = read_username(credentials.username), read_client_id(credentials.client_id)
        if identity is None or client_id is None or client_id.parameters.get("authType") != "register":
            return Issued(Reason.MALFORMED, identity)
        method, random = client_id.parameters.get("signmethod", DEFAULT_METHOD), client_id.parameters.get("random", "")
        return self.issue(Claim(identity, random, method, credentials.password))

    def issue(self, claim: Claim) -> Issued:
        """Issue a secret.

        A device that asks again gets another one, and the one before is good no more: the last one counts, as the
        vendor has it, so a copy that somebody else fetched first is worth nothing. An imported secret stays what it is:
        it is in the field already.
        """
        reason = self._check(claim)
        if reason is not Reason.ALLOWED:
            return Issued(reason, claim.identity)
        device = self._renew(claim.identity)
        if device is None:
            return Issued(Reason.NOT_REGISTRABLE, claim.identity)
        return Issued(Reason.ALLOWED, claim.identity, device.open_secret(self._registry.master))

    def _check(self, claim: Claim) -> Reason:
        store = self._registry.store
        product = store.products.find(claim.identity.product_key)
        if product is None:
            return Reason.UNKNOWN
        if not is_method(claim.method):
            return Reason.METHOD
        if not is_signed(claim.method, product.open_secret(self._registry.master), claim.content, claim.signature):
            return Reason.WRONG_SECRET
        # From here on it is somebody who has the product's secret.
        if product.auth_type == AuthType.X509 or not store.device_access.may_register(product.id):
            return Reason.NOT_REGISTRABLE
        return _standing(store.applicants.find(claim.identity))

    def _renew(self, identity: Identity) -> Applicant | None:
        """Return the device with its new secret; None if it has connected meanwhile."""
        applicants = self._registry.store.applicants
        for _ in range(_ATTEMPTS):
            device = applicants.find(identity)
            if device is None or device.status != Status.UNACTIVE or self._is_coming(device.id):
                return None
            if device.secret is not None or applicants.renew(device):
                return applicants.find(identity)
        return None


def _standing(device: Applicant | None) -> Reason:
    """Whether a device may still fetch its secret."""
    if device is None:
        return Reason.UNKNOWN
    if device.status == Status.DISABLE:
        return Reason.DISABLED
    if device.secret is None and device.generation == MOST_GENERATIONS:
        return Reason.EXHAUSTED
    return Reason.ALLOWED if device.status == Status.UNACTIVE else Reason.NOT_REGISTRABLE
