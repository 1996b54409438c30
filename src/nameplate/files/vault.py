"""An uploaded file as it lies on disk: encrypted, appended to, never rewritten.

A file is a row of records: a length, a nonce, and at most 256 KiB under AES-256-GCM, bound to the place in the file
where they belong. What a crash has left of a record is cut off; what was acknowledged before is whole.
"""

import fcntl
import io
import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RECORD_BYTES: Final = 256 << 10

_LENGTH: Final = struct.Struct("<I")
_PLACE: Final = struct.Struct(">Q")
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = _LENGTH.size + _NONCE_BYTES


class DamagedVaultError(Exception):
    """What lies on disk is not what was written, or the key is another."""


class BusyVaultError(Exception):
    """Another process is writing the file."""


class Vault:
    """One encrypted file; a context manager while it is written."""

    def __init__(self, path: Path, key: bytes, *, known: int = 0) -> None:
        """Append after what is there.

        `key` has 32 bytes and is for this file alone. `known` is how many bytes are known to be on disk; what follows
        them is decrypted before it is counted.
        """
        self._path = path
        self._cipher = AESGCM(key)
        self._known = known
        self._descriptor: int | None = None
        self._received = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def received(self) -> int:
        """How many bytes the file has."""
        if self._descriptor is None:
            with self._open_there() as raw:
                return _Index(raw, self._cipher, self._known).size
        return self._received

    def append(self, chunk: bytes) -> int:
        """Write bytes after those that are there; return how many there are then.

        They survive the death of the process, and a loss of power after `sync`. Raises BusyVaultError.
        """
        descriptor = self._writable()
        for start in range(0, len(chunk), RECORD_BYTES):
            plain, nonce = chunk[start : start + RECORD_BYTES], os.urandom(_NONCE_BYTES)
            sealed = self._cipher.encrypt(nonce, plain, _PLACE.pack(self._received))
            _write(descriptor, _LENGTH.pack(len(plain)) + nonce + sealed)
            self._received += len(plain)
        return self._received

    def sync(self) -> None:
        """Have what was written on disk."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def open(self) -> BinaryIO:
        """Open the file for reading what is there now, from anywhere. Raises DamagedVaultError if it is too little."""
        raw = self._open_there()
        index = _Index(raw, self._cipher, self._known)
        if index.size < self._known:
            raw.close()
            raise DamagedVaultError
        return io.BufferedReader(_Reader(raw, self._cipher, index), RECORD_BYTES)

    def close(self) -> None:
        """End writing, with all of it on disk; appending may go on later."""
        if self._descriptor is not None:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = None

    def delete(self) -> None:
        """Remove the file, if it is there."""
        self._path.unlink(missing_ok=True)
        self.close()

    def _open_there(self) -> BinaryIO:
        try:
            return self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return io.BytesIO()

    def _writable(self) -> int:
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise BusyVaultError from None
            with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as raw:
                index = _Index(raw, self._cipher, self._known)
            os.truncate(descriptor, index.end)
            self._descriptor, self._received = descriptor, index.size
        return self._descriptor


class _Index:
    """Where the whole records of a file are: each one's place in the plain bytes and on disk."""

    def __init__(self, raw: BinaryIO, cipher: AESGCM, known: int) -> None:
        self.places = array("Q")
        self.offsets = array("Q")
        self.size = 0
        self.end = 0
        for length in _lengths(raw):
            if self.size + length > known and _read(raw, cipher, self.end, self.size) is None:
                break
            self.places.append(self.size)
            self.offsets.append(self.end)
            self.size += length
            self.end += _HEAD_BYTES + length + _TAG_BYTES


class _Reader(io.RawIOBase):
    """The plain bytes of a file."""

    def __init__(self, raw: BinaryIO, cipher: AESGCM, index: _Index) -> None:
        self._raw = raw
        self._cipher = cipher
        self._index = index
        self._place = 0
        self._held = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._index.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # a buffer that can be written
        if self._place >= self._index.size:
            return 0
        record = bisect_right(self._index.places, self._place) - 1
        begin = self._place - self._index.places[record]
        part = memoryview(self._plain(record))[begin : begin + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _plain(self, record: int) -> bytes:
        """Return what is in a record: it is asked for piece by piece."""
        held, plain = self._held
        if held != record:
            read = _read(self._raw, self._cipher, self._index.offsets[record], self._index.places[record])
            if read is None:
                raise DamagedVaultError
            plain = read
            self._held = record, plain
        return plain

    def close(self) -> None:
        self._raw.close()
        super().close()


def _lengths(raw: BinaryIO) -> Iterator[int]:
    """Yield the length of each record that is there in full."""
    size, end = raw.seek(0, io.SEEK_END), 0
    while end + _HEAD_BYTES + _TAG_BYTES < size:
        raw.seek(end)
        (length,) = _LENGTH.unpack(raw.read(_LENGTH.size))
        end += _HEAD_BYTES + length + _TAG_BYTES
        if not 0 < length <= RECORD_BYTES or end > size:
            return
        yield length


def _read(raw: BinaryIO, cipher: AESGCM, offset: int, place: int) -> bytes | None:
    """Return what is in a record, or None if it is not what was written."""
    raw.seek(offset)
    (length,) = _LENGTH.unpack(raw.read(_LENGTH.size))
    sealed = raw.read(_NONCE_BYTES + length + _TAG_BYTES)
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _PLACE.pack(place))
    except InvalidTag:
        return None


def _write(descriptor: int, data: bytes) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]
