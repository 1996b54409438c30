"""Long text that is written once, read twice and deleted."""

from typing import Any, Final

import zstandard
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

# To write a page costs more than to make two of it.
_LEVEL: Final = 1
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


class PackedText(TypeDecorator[str]):
    """JSON, compressed: the names of ten thousand devices are a tenth of their size, or half if they are random.

    Prepared reads return it as it is stored, for `unpack`.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> bytes | None:
        """Compress what is to be stored."""
        return None if value is None else zstandard.compress(value.encode(), _LEVEL)

    def process_result_value(self, value: Any | None, _dialect: Dialect) -> str | None:  # noqa: ANN401 (the library's type)
        """Undo it."""
        return None if value is None else unpack(value)


def unpack(stored: bytes) -> str:
    """Return the text that was stored; that of an older version is not compressed."""
    return (zstandard.decompress(stored) if stored.startswith(_MAGIC) else stored).decode()
