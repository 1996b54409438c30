"""Long text that is written once, read twice and deleted."""

from typing import Final

import zstandard

# To write a page costs more than to make two of it.
_LEVEL: Final = 1
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


def pack(written: bytes) -> bytes:
    """Compress JSON: the names of ten thousand devices are a tenth of their size, or half if they are random.

    Not for a transaction to do: others wait for its end.
    """
    return zstandard.compress(written, _LEVEL)


def unpack(stored: bytes) -> str:
    """Return the text that was stored; that of an older version is not compressed."""
    return (zstandard.decompress(stored) if stored.startswith(_MAGIC) else stored).decode()
