"""Files from a server: written beside their name, and given it when they are whole."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx

from nameplate.cli.measures import Measure
from nameplate.cli.progress import Display
from nameplate.cli.remote import Remote

STDOUT: Final = Path("-")

Check = Callable[[httpx.Headers, str], None]


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Yield what to write to; the file is there, for its owner only, when this has ended well, and not before."""
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


class Download:
    """One file to fetch."""

    def __init__(self, remote: Remote, place: str, query: Mapping[str, Any] | None = None) -> None:
        self._remote = remote
        self._place = place
        self._query = query or {}

    def fetch(self, path: Path, display: Display, check: Check = lambda _headers, _digest: None) -> None:
        """Write it to `path`, from the beginning again if it breaks off.

        `check` is told its headers and SHA-256 before it gets its name, and may refuse it. Raises CommandError and
        OSError.
        """
        while True:
            # What has been written to a pipe cannot be taken back.
            tries = nullcontext() if path == STDOUT else self._remote.trying()
            with tries, self._remote.opened("GET", self._place, params=self._query) as response:
                with written(path) as file:
                    check(response.headers, _copy(response, file, display))
                return


def _copy(response: httpx.Response, file: BinaryIO, display: Display) -> str:
    digest, done = sha256(), 0
    for piece in response.iter_bytes():
        file.write(piece)
        digest.update(piece)
        done += len(piece)
        display.show(Measure("receiving", done, None, is_bytes=True))
    return digest.hexdigest()
