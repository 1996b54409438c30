"""The bytes of a file, decompressed within bounds."""

import gzip
import io
import zlib
from typing import BinaryIO, Final, cast

import zstandard

from nameplate.files.layout import GZIP, ZSTD, Layout, Open
from nameplate.files.unreadable import DAMAGED, TOO_COMPRESSED

BLOCK_BYTES: Final = 1 << 20
MOST_BYTES: Final = 16 << 30
"""What a file may be decompressed: 2**24 rows, the most of a batch, of a kilobyte each."""

MOST_RATIO: Final = 250
"""How much longer a file may become. Sorted numbered names, the most regular file there is, become 100 times longer."""

_FREE_BYTES: Final = 64 << 20
_WINDOW_BYTES: Final = 128 << 20
_DAMAGED: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)
_MAGIC: Final = {GZIP: b"\x1f\x8b", ZSTD: b"\x28\xb5\x2f\xfd"}


def compression_of(head: bytes) -> str:
    """Return how a file that begins with `head` is compressed."""
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), "none")


def open_plain(open_: Open, layout: Layout) -> BinaryIO:
    """Open a file, decompressing it."""
    raw = open_()
    if layout.compression == GZIP:
        counted = _Counted(raw)
        return cast("BinaryIO", _Bounded(gzip.GzipFile(fileobj=counted), counted))
    if layout.compression == ZSTD:
        counted = _Counted(raw)
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        reader = decompressor.stream_reader(cast("BinaryIO", counted), read_across_frames=True)
        return cast("BinaryIO", _Bounded(reader, counted))
    return raw


class _Counted(io.RawIOBase):
    """Counts the compressed bytes that were read."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self.count += len(data)
        return data

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Bounded(io.RawIOBase):
    """Decompressed bytes: damage and bombs are said as such."""

    def __init__(self, plain: "gzip.GzipFile | zstandard.ZstdDecompressionReader", counted: _Counted) -> None:
        self._plain = plain
        self._counted = counted
        self._count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        try:
            data = self._plain.read(size)
        except _DAMAGED as error:
            raise DAMAGED(error=error, byte=self._counted.count) from None
        self._count += len(data)
        if self._count > MOST_BYTES or self._count > _FREE_BYTES + MOST_RATIO * self._counted.count:
            raise TOO_COMPRESSED(ratio=MOST_RATIO, most="16 GiB", byte=self._counted.count)
        return data

    def close(self) -> None:
        self._plain.close()
        self._counted.close()
        super().close()
