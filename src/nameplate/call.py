"""One call as an operation sees it: who is calling, with which store, keys and clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import orjson

from nameplate.domain.access import Role
from nameplate.domain.device import IotIds
from nameplate.domain.names import is_product_key
from nameplate.domain.secrets import MasterKey
from nameplate.errors import ACCOUNT_DENIED, INVALID_PRODUCT_KEY, PRODUCT_NOT_FOUND
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


@dataclass(frozen=True, slots=True)
class Registry:
    """What every call of one installation shares."""

    store: Store
    master: MasterKey
    iot_ids: IotIds
    clock: Clock
    wake: Callable[[], None]
    region: str
    strict: bool
    name_check: NameCheck


@dataclass(frozen=True, slots=True)
class Call:
    """One signed call, authenticated."""

    registry: Registry
    action: str
    account_id: int
    role: Role
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
        digest = blake2b(orjson.dumps([self.action, *content]), digest_size=32).digest()
        return ClientToken(self.account_id, text, digest)
