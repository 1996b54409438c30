"""The processes of an installation, each of which may be killed and started again."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support.killer import PROGRAM, Trap

START_SECONDS: Final = 90
STOP_SECONDS: Final = 60
TICK_SECONDS: Final = 0.02
_PLAIN: Final = [sys.executable, "-m", "nameplate"]


class Member:
    """One `nameplate` process, and what it is started with.

    If it is trapped it can be killed at a statement; its `lock` is held by whoever kills it or starts it.
    """

    def __init__(self, directory: Path, arguments: list[str], environment: Mapping[str, str], *, trapped: bool) -> None:
        directory.mkdir()
        self.name = directory.name
        self.lock = threading.RLock()
        self.trapped = trapped
        self.trap = Trap(directory / "trap")
        self.port = 0
        self._log = directory / "log"
        self._command = [*(PROGRAM if trapped else _PLAIN), *arguments]
        self._environment = {**environment, **self.trap.environment}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and return when it is ready; again and again if it cannot start, as a supervisor would."""
        end = time.monotonic() + START_SECONDS
        while not self._started():
            if time.monotonic() > end:
                message = f"{self.name} does not start: {self.log[-2000:]}"
                raise RuntimeError(message)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def code(self) -> int | None:
        """How it ended."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def children(self) -> list[int]:
        """The processes that it has started."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end; False if it runs on."""
        end = time.monotonic() + seconds
        while not self.has_ended and time.monotonic() < end:
            time.sleep(TICK_SECONDS)
        return self.has_ended

    def send(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it and what it has started, at once."""
        if self._process is None:
            return
        children = self.children
        self._process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reap()

    def kill_child(self, chance: random.Random) -> bool:
        """End one of the processes that it has started; False if there is none just now."""
        children = self.children
        if not children:
            return False
        with suppress(ProcessLookupError):
            os.kill(chance.choice(children), signal.SIGKILL)
        return True

    def stop(self) -> int:
        """End it in good order, and return its exit code."""
        self.send(signal.SIGTERM)
        return self._reap()

    def _started(self) -> bool:
        self._reap()
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if " is ready on " in line:
                self.port = int(line.rpartition(":")[2]) if " is ready on http://" in line else 0
                return True
        return False

    def _reap(self) -> int:
        if self._process is None:
            return 0
        code = self._process.wait(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code
