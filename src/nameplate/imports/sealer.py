"""Seals a file's secrets beside its reading, in a process of its own: nothing else that is done to a row takes as long.

The process is started for the second part: a small file has none. It is told on stdin for whom to seal, and then part
by part the secrets; each part comes back on stdout. It ends with the process that has started it, however that ends.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import orjson

from nameplate.domain.secrets import MasterKey, pack
from nameplate.loading import program

_PROGRAM: Final = program("nameplate.imports.sealer", "main")

Secrets = Sequence[str | None]


class SealerGoneError(Exception):
    """The process that seals has died."""


class Sealer:
    """Seals secrets of devices, each for its device; a context manager."""

    def __init__(self, master_key: bytes, owner: str) -> None:
        """Seal under a master key. `owner` has a place for a device's id."""
        self._order = {"master_key": master_key.hex(), "owner": owner}
        self._has_sealed = False
        self.process: subprocess.Popen[bytes] | None = None
        """What seals from the second part on."""
        # Both pipes are narrower than a part: whoever writes to one has to wait until the other is read.
        self._thread = ThreadPoolExecutor(1, "sealer")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.kill()
        self._thread.shutdown()
        if self.process is not None:
            self.process.communicate()

    def seal(self, secrets: Secrets, first_id: int) -> Callable[[], bytes]:
        """Have the secrets of devices with ids from `first_id` up sealed.

        Returns what waits for that and returns them for `secrets.unpack`, or raises SealerGoneError.
        """
        if self._has_sealed:
            return self._thread.submit(self._ask, secrets, first_id).result
        self._has_sealed = True
        sealed = _sealing(**self._order)(secrets, first_id)
        return lambda: sealed

    def _ask(self, secrets: Secrets, first_id: int) -> bytes:
        try:
            if self.process is None:
                pipe = subprocess.PIPE
                self.process = subprocess.Popen(_PROGRAM, stdin=pipe, stdout=pipe)  # noqa: S603 (our own)
                self._tell(self._order)
            self._tell({"secrets": secrets, "first_id": first_id})
        except BrokenPipeError:
            raise SealerGoneError from None
        assert self.process.stdout is not None
        size = self.process.stdout.readline()
        sealed = self.process.stdout.read(int(size or 0))
        if not size or len(sealed) < int(size):
            raise SealerGoneError
        return sealed

    def _tell(self, told: object) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(told) + b"\n")
        self.process.stdin.flush()


def _sealing(master_key: str, owner: str) -> Callable[[Secrets, int], bytes]:
    master = MasterKey(bytes.fromhex(master_key))
    return lambda secrets, first_id: pack(master.seal_each(secrets, owner, first_id))


def main() -> None:
    """Seal until nothing more is asked for."""
    # Whoever has started this decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is cut off was told by a process that has died.
    told = (orjson.loads(line) for line in sys.stdin.buffer if line.endswith(b"\n"))
    order = next(told, None)
    if order is None:
        return
    seal = _sealing(**order)
    for part in told:
        sealed = seal(part["secrets"], part["first_id"])
        try:
            sys.stdout.buffer.writelines((b"%d\n" % len(sealed), sealed))
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            return
