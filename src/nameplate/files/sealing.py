"""Files for a factory's eyes only: encrypted with age to its public keys while they are streamed."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

import pyrage

_WAITING: Final = 2


class NoRecipientError(Exception):
    """A recipient is not an age public key."""

    def __init__(self, recipient: str) -> None:
        super().__init__(f"{recipient[:80]!r} is not an age public key. Give one as age-keygen prints it: age1….")


def seal(chunks: Iterable[bytes], recipients: Sequence[str]) -> Iterator[bytes]:
    """Yield chunks encrypted to every recipient (`age1…`); whoever has one of their keys can read all.

    The chunks are taken in the caller's thread. Raises NoRecipientError at once.
    """
    return _sealed(chunks, [_recipient(text) for text in recipients])


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise NoRecipientError(text) from None


def _sealed(chunks: Iterable[bytes], recipients: Sequence[pyrage.x25519.Recipient]) -> Iterator[bytes]:
    # The library pulls from one file and pushes into another until the first ends: a thread makes steps of that.
    pipe = _Pipe()
    thread = Thread(target=pipe.encrypt, args=(recipients,), name="sealing", daemon=True)
    thread.start()
    try:
        for chunk in chunks:
            if chunk:
                pipe.give(chunk)
            if sealed := pipe.take():
                yield sealed
        pipe.give(b"")
        thread.join()
        pipe.require_whole()
        yield pipe.take()
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
        self._is_over = False

    def encrypt(self, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
        """Encrypt what is given until the end of it."""
        try:
            pyrage.encrypt_io(self, self, recipients)
        except pyrage.EncryptError as error:
            self._error = error
        finally:
            self._is_over = True
            self._room.release()

    def give(self, chunk: bytes) -> None:
        """Give bytes to encrypt, once there is room; none are the end."""
        if not self._is_over:
            self._room.acquire()
            self._given.put(chunk)

    def abandon(self) -> None:
        """Let the other thread end."""
        self._given.put(None)

    def take(self) -> bytes:
        """Return what is encrypted since the last time."""
        return b"".join([self._written.popleft() for _ in range(len(self._written))])

    def require_whole(self) -> None:
        """Raise what has ended the encryption early."""
        if self._error is not None:
            raise self._error

    def read(self, size: int) -> bytes:
        """Return at most `size` of the bytes given."""
        if not self._chunk:
            chunk = self._given.get()
            if chunk is None:
                raise BrokenPipeError
            self._room.release()
            self._chunk = memoryview(chunk)
        part, self._chunk = self._chunk[:size], self._chunk[size:]
        return bytes(part)

    def write(self, data: bytes) -> int:
        """Take encrypted bytes."""
        self._written.append(data)
        return len(data)

    def flush(self) -> None:
        """Keep nothing back."""
