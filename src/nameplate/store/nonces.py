"""Signature nonces: each is taken once, across restarts and servers too."""

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Final

KEPT_SECONDS: Final = 31 * 60
"""Longer than any timestamp is good for: 15 minutes before and 15 after its time."""


class Nonces(ABC):
    """The nonces that were seen lately."""

    @abstractmethod
    def take(self, key_id: str, nonce: str, now: int) -> bool:
        """Take a nonce of an access key; False if it was taken before.

        It is remembered by the next `commit`, whoever calls it. `now` is in milliseconds.
        """

    @abstractmethod
    def commit(self) -> None:
        """Remember every nonce that was taken. Raises if they could not be: their calls must not be answered."""


def digest(key_id: str, nonce: str) -> bytes:
    """Return what is kept of an access key's nonce."""
    return blake2b(f"{key_id}\0{nonce}".encode(), digest_size=16).digest()
