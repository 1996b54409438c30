"""A server to be started often: forked, in a tenth of the time, from a process that has everything imported."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, Self

from tests.support import killer
from tests.support.server import Server

PROGRAM: Final = [sys.executable, "-m", "tests.support.crash.warm"]
SERVE: Final = ["serve", "--port", "0", "--data-dir"]
STARTED: Final = "started as "
ENDED: Final = "ended with "
_IMPORTED_LATE: Final = ("uvicorn.lifespan.off", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl")


class WarmServer(Server):
    """A server that is forked.

    It is a process like any other, and is killed like any other. By default it has one worker, so that its points come
    in order.
    """

    def __init__(self, data_dir: Path, *, lease: str, workers: str = "1") -> None:
        super().__init__(data_dir, program=killer.PROGRAM, lease=lease, workers=workers)
        self._pid = 0
        self._code: int | None = None

    def start(self, **more: str) -> Self:
        self.process = self.process or self._start_nursery(more)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([*SERVE, str(self.data_dir)]) + "\n")
        self.process.stdin.flush()
        self._pid, self._code = int(self._hear(STARTED)), None
        self.port = int(self._hear("nameplate is ready on http://").rpartition(":")[2])
        return self

    def wait(self, seconds: float) -> int:
        """Return how it ended, when it has; it is told to if that takes too long."""
        patience = threading.Timer(seconds, os.kill, (self._pid, signal.SIGTERM))
        patience.start()
        try:
            return self._reap()
        finally:
            patience.cancel()

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
        if self._code is None:
            os.kill(self._pid, signal.SIGTERM)
        return self._reap()

    def close(self) -> None:
        """End the server, if it runs, and the process that it is forked from."""
        if self.process is None:
            return
        if self._code is None:
            self.kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        super()._reap()

    def _start_nursery(self, more: dict[str, str]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        with (self.data_dir.parent / "server.log").open("a") as log:
            return subprocess.Popen(
                PROGRAM, stdin=pipe, stdout=pipe, stderr=log, text=True, env=self.environment | more
            )

    def _reap(self) -> int:
        if self._code is None:
            self._code = int(self._hear(ENDED))
        return self._code

    def _hear(self, start: str) -> str:
        """Read up to the line that starts so, and return the rest of it."""
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(start):
                return line.removeprefix(start).strip()
            if line.startswith(ENDED):
                self._code = int(line.removeprefix(ENDED))
                break
        message = f"the server ended with {self._code}: {self.log}"
        raise RuntimeError(message)


def nurse() -> list[str]:
    """Fork a server for each line, its arguments, and say how it ended; one at a time.

    Returns the arguments in a process that was forked, and nothing in the one that it was forked from.
    """
    for module in ("nameplate.cli", *_IMPORTED_LATE):
        importlib.import_module(module)
    child = 0
    for line in sys.stdin:
        if child:
            # Not before now, so that nobody else has its number while it may still be killed.
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            found: list[str] = json.loads(line)
            return found
        say(f"{STARTED}{child}")
        end = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert end is not None
        say(f"{ENDED}{end.si_status if end.si_code == os.CLD_EXITED else -end.si_status}")
    return []


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    arguments = nurse()
    if arguments:
        killer.run(arguments)


if __name__ == "__main__":
    main()
