"""Files for a factory's eyes only: encrypted with age to its public keys while they are streamed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

import pyrage

from nameplate.files.unreadable import NO_IDENTITY, NO_RECIPIENT, NOT_OPENED

_WAITING: Final = 2


def seal(chunks: Iterable[bytes], recipients: Sequence[str]) -> Iterator[bytes]:
    """Yield chunks encrypted to every recipient (`age1…`); whoever has one of their keys can read all.

    The chunks are taken in the caller's thread. Raises UnreadableFileError at once if a recipient is none.
    """
    return _passed(chunks, partial(pyrage.encrypt_io, recipients=[_recipient(text) for text in recipients]))


def unseal(chunks: Iterable[bytes], identities: Sequence[str]) -> Iterator[bytes]:
    """Yield what `seal` was given, for the owner of one of these identities (`AGE-SECRET-KEY-1…`).

    Raises UnreadableFileError at once if an identity is none, and in the end if the file was cut or is for others.
    """
    return _passed(chunks, partial(pyrage.decrypt_io, identities=[_identity(text) for text in identities]))


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise NO_RECIPIENT(text=text[:80]) from None


def _identity(text: str) -> pyrage.x25519.Identity:
    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError:
        raise NO_IDENTITY() from None


def _passed(chunks: Iterable[bytes], work: Callable[["_Pipe", "_Pipe"], object]) -> Iterator[bytes]:
    # The library pulls from one file and pushes into another until the first ends: a thread makes steps of that.
    pipe = _Pipe()
    thread = Thread(target=pipe.run, args=(work,), name="sealing", daemon=True)
    thread.start()
    try:
        for chunk in chunks:
            if chunk:
                pipe.give(chunk)
            if passed := pipe.take():
                yield passed
        pipe.give(b"")
        thread.join()
        if passed := pipe.take():
            yield passed
        pipe.require_whole()
    finally:
        pipe.abandon()
        thread.join()


class _Pipe:
    """A file that another thread reads from, and one that it writes to."""

    def __init__(self) -> None:
        self._given: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Semaphore(_WAITING)
        self._chunk = memoryview(b"")
        self._written: deque[bytes] = deque()
        self._error: Exception | None = None
        self._is_at_end = False
        self._is_over = False

    def run(self, work: Callable[["_Pipe", "_Pipe"], object]) -> None:
        """Read and write until what is given ends."""
        try:
            work(self, self)
        except (pyrage.EncryptError, pyrage.DecryptError, OSError) as error:
            self._error = error
        finally:
            self._is_over = True
            self._room.release()

    def give(self, chunk: bytes) -> None:
        """Give bytes to read, once there is room; none are the end."""
        if not self._is_over:
            self._room.acquire()
            self._given.put(chunk)

    def abandon(self) -> None:
        """Let the other thread end."""
        self._given.put(None)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        return b"".join([self._written.popleft() for _ in range(len(self._written))])

    def require_whole(self) -> None:
        """Refuse what has ended early."""
        if self._error is not None:
            raise NOT_OPENED(error=self._error)

    def read(self, size: int) -> bytes:
        """Return at most `size` of the bytes given."""
        if not self._chunk and not self._is_at_end:
            chunk = self._given.get()
            if chunk is None:
                raise BrokenPipeError
            self._room.release()
            self._chunk = memoryview(chunk)
            self._is_at_end = not chunk
        part, self._chunk = self._chunk[:size], self._chunk[size:]
        return bytes(part)

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._written.append(data)
        return len(data)

    def flush(self) -> None:
        """Keep nothing back."""
