"""One call as an operation sees it: who is calling, with which store, keys and clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from nameplate.domain.access import Role
from nameplate.domain.certificates import Certificates, Subject
from nameplate.domain.device import IotIds
from nameplate.domain.names import is_product_key
from nameplate.domain.rates import Rates
from nameplate.domain.secrets import MasterKey
from nameplate.errors import ACCOUNT_DENIED, INVALID_PRODUCT_KEY, PRODUCT_NOT_FOUND
from nameplate.store.certificates import StoredCertificate, key_owner
from nameplate.store.client_tokens import ClientToken
from nameplate.store.products import Product
from nameplate.store.store import Store
from nameplate.wire.params import refuse_parameter

_TOKEN_LENGTH: Final = 64

Answer = Mapping[str, Any]
"""An operation's fields, nested as on the wire."""

SlowAnswer = Callable[[], Answer]
"""What a cheap read returns when it turns out to be long: a function that makes the answer, for a thread to call."""

Clock = Callable[[], int]
"""The time now, in milliseconds since 1970 UTC."""


class NameCheck(StrEnum):
    """When an ill-formed or repeated name is refused."""

    ASYNC = "async"
    """The call succeeds and the check ends in CHECK_FAILED."""

    SYNC = "sync"
    """The call itself is refused and lists the names."""


class Quotas(StrEnum):
    """Whose calls per second are enforced."""

    OFF = "off"
    """Nobody's."""

    VENDOR = "vendor"
    """The vendor's, per account and operation."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an installation allows its accounts.

    None is any number.
    """

    products: int | None = None
    devices: int | None = None
    """Of one product."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What every call of one installation shares."""

    store: Store
    master: MasterKey
    iot_ids: IotIds
    clock: Clock
    wake: Callable[[], None]
    """Says that there is something for workers to do; `wake_readers`, that there is a file to read."""

    region: str
    strict: bool
    name_check: NameCheck
    instance_id: str | None
    limits: Limits
    rates: Rates | None
    public_url: str | None
    certificates: Certificates
    files: Path
    """Where uploaded files are kept."""

    token_key: bytes
    """Makes digests of what came with a ClientToken, which may be secrets."""

    wake_readers: Callable[[], None] = lambda: None

    def mint_certificates(self, product_key: str, ids: Sequence[int], names: Sequence[str]) -> list[StoredCertificate]:
        """Return a certificate for each of some new devices."""
        now, made = self.clock(), []
        for number, name in zip(ids, names, strict=True):
            minted = self.certificates.mint(Subject(product_key, name, self.iot_ids.iot_id(number)), now)
            key = self.master.seal(minted.private_key, key_owner(number))
            made.append(StoredCertificate(number, minted.serial, minted.certificate, key))
        return made


@dataclass(frozen=True, slots=True)
class Call:
    """One signed call, authenticated."""

    registry: Registry
    action: str
    account_id: int
    role: Role
    origin: str
    """The address at which the caller has reached this server, as in `http://127.0.0.1:8420`."""

    warnings: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """Where things are kept."""
        return self.registry.store

    def now(self) -> int:
        """Return the time, in milliseconds since 1970 UTC."""
        return self.registry.clock()

    def product(self, key: str) -> Product:
        """Return the caller's product with this key.

        Raises the product refusals.
        """
        if not is_product_key(key):
            raise INVALID_PRODUCT_KEY()
        product = self.store.products.find(key)
        if product is None:
            raise PRODUCT_NOT_FOUND()
        if product.account_id != self.account_id:
            raise ACCOUNT_DENIED()
        return product

    def token(self, text: str | None, *content: object) -> ClientToken | None:
        """Return the caller's ClientToken for a request of this content, or None if none was sent."""
        if not text:
            return None
        if len(text) > _TOKEN_LENGTH:
            raise refuse_parameter(where="ClientToken", fix=f"Send at most {_TOKEN_LENGTH} characters.")
        sent = orjson.dumps([self.action, *content])
        digest = blake2b(sent, key=self.registry.token_key, digest_size=32, person=b"client-token").digest()
        return ClientToken(self.account_id, text, digest)
