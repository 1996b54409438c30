"""Secrets: how they are minted, derived and kept.

A device's secret is derived, not stored: a keyed hash of the device's id and its secret's generation, under key
material that belongs to its product. What has to be stored (product material, access-key secrets) is *sealed* under the
installation's master key with AES-256-GCM, bound to what it belongs to, so that nothing in a stolen database yields a
secret and no sealed value can be moved to another row.
"""

import os
import secrets
import string
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, pairwise
from operator import add
from struct import unpack_from
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32

_NONCE_BYTES: Final = 12
_OPEN_AT_ONCE: Final = 4_096
_ALPHANUMERIC: Final = string.ascii_letters + string.digits


class WrongMasterKeyError(Exception):
    """A sealed value does not open under this master key."""


class MasterKey:
    """The installation's key: seals what must be stored secretly, and opens it again."""

    def __init__(self, key: bytes, previous: bytes | None = None) -> None:
        """Open also what the previous key sealed: a process that was not told of the new one may still have done so."""
        self.present = key
        self._ciphers = [AESGCM(known) for known in (key, previous) if known is not None]
        # Every call opens its access key's secret, and every page its product's material.
        self._open_cached = lru_cache(maxsize=_OPEN_AT_ONCE)(self._open)

    def seal(self, plain: bytes, owner: str) -> bytes:
        """Encrypt `plain` so that it opens only for the same `owner`, as in `access-key:LTAI…`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plain, owner.encode())

    def seal_each(self, plain: Sequence[str | None], owner: str, first: int) -> list[bytes | None]:
        """Seal many texts as `seal` does; None stays None.

        In `owner` there is a place, `%d`, for the number of each: `first`, and one more with every text.
        """
        place = owner.encode()
        owners = [place % number for number in range(first, first + len(plain))]
        nonces = unpack_from(f"{_NONCE_BYTES}s" * len(plain), os.urandom(_NONCE_BYTES * len(plain)))
        # Without a loop in Python, which would cost more than the cipher.
        texts = [text.encode() if text else b"" for text in plain]
        whole = map(add, nonces, map(self._ciphers[0].encrypt, nonces, texts, owners))
        if None not in plain:
            return [*whole]
        return [None if text is None else value for text, value in zip(plain, whole, strict=True)]

    def open_once(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt what will not be asked for again. Raises WrongMasterKeyError."""
        return self._open(sealed, owner)

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Decrypt what `seal` made.

        Raises WrongMasterKeyError if the key or the owner is another.
        """
        return self._open_cached(sealed, owner)

    def _open(self, sealed: bytes, owner: str) -> bytes:
        for cipher in self._ciphers:
            with suppress(InvalidTag):
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        raise WrongMasterKeyError


class DeviceSecrets:
    """The secrets of one product's devices."""

    def __init__(self, material: bytes) -> None:
        self._state = blake2b(key=material, digest_size=16, person=b"device-secret")

    def secret(self, device_id: int, generation: int) -> str:
        """Return a device's secret, 32 lower-case hexadecimal characters; another generation is another secret."""
        state = self._state.copy()
        state.update(device_id.to_bytes(8, "big") + generation.to_bytes(4, "big"))
        return state.hexdigest()


def pack(sealed: Sequence[bytes | None]) -> bytes:
    """Write sealed texts of at most 200 bytes each, or None, as one value."""
    values = [value or b"" for value in sealed]
    return len(values).to_bytes(4, "little") + bytes(map(len, values)) + b"".join(values)


def unpack(packed: bytes) -> list[bytes | None]:
    """Read what `pack` wrote."""
    start = 4 + int.from_bytes(packed[:4], "little")
    ends = accumulate(packed[4:start], initial=start)
    return [packed[start:end] or None for start, end in pairwise(ends)]


def mint_key() -> bytes:
    """Return 32 random bytes: a master key, or a product's material."""
    return secrets.token_bytes(KEY_BYTES)


def mint_text(length: int) -> str:
    """Return `length` random letters and digits: a product key or secret, an access key's id or secret."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))
