"""Signature nonces: each is taken once, across restarts and servers too."""

from abc import ABC, abstractmethod
from hashlib import blake2b
from itertools import cycle
from typing import Final

KEPT_SECONDS: Final = 31 * 60
"""Longer than any timestamp is good for: 15 minutes before and 15 after its time."""


PURGE_EVERY: Final = 16
"""After how many writes old nonces of one more slice are forgotten."""

_PREFIX_BYTES: Final = 3


class Slices:
    """Every digest there can be, a slice at a time and round and round."""

    def __init__(self, count: int = 4_096) -> None:
        """Cut the digests into so many slices, a power of two."""
        self._width = (1 << 8 * _PREFIX_BYTES) // count
        self._numbers = cycle(range(count))

    def next(self) -> tuple[bytes, bytes]:
        """Return the first digest of the next slice and one that no digest of it exceeds."""
        start = next(self._numbers) * self._width
        first, last = (number.to_bytes(_PREFIX_BYTES, "big") for number in (start, start + self._width - 1))
        return first, last + b"\xff" * 14


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
