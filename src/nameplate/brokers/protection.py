"""Who may ask: a broker with the shared secret, or, while there is none, one on the same machine."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from nameplate.errors import HOOK_SECRET_NEEDED, HOOK_SECRET_WRONG

_FORWARDED: Final = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})


class Protection:
    """Keeps everybody else from asking."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret.encode() if secret else None

    def check(self, headers: Mapping[str, str], peer: str | None) -> None:
        """Raise HOOK_SECRET_WRONG or HOOK_SECRET_NEEDED for one who may not ask."""
        if self._secret is not None:
            if not hmac.compare_digest(_given(headers.get("authorization", "")), self._secret):
                raise HOOK_SECRET_WRONG()
        elif not is_loopback(peer) or not _FORWARDED.isdisjoint(headers):
            # A proxy on this machine speaks for somebody who is not.
            raise HOOK_SECRET_NEEDED()


@lru_cache(maxsize=256)
def is_loopback(peer: str | None) -> bool:
    """Whether an address is this machine's own; one that is not known is not."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _given(authorization: str) -> bytes:
    """Return the secret of a header: `Bearer …`, or the password of `Basic …`; some brokers can send only the one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
