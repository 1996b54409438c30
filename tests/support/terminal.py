"""A program on a terminal, as somebody who reads the screen and types sees it."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """One program that runs on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._shown = b""

    @classmethod
    @contextmanager
    def running(cls, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Iterator[Self]:
        """Yield a terminal on which a command runs."""
        master, slave = pty.openpty()
        try:
            with subprocess.Popen(
                command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=directory, start_new_session=True
            ) as process:
                os.close(slave)
                yield cls(process, master)
                process.kill()
        finally:
            os.close(master)

    @property
    def screen(self) -> str:
        """Everything that was shown, without what only moves the cursor or colours."""
        return _SEQUENCE.sub("", self._shown.decode(errors="replace")).replace("\r", "")

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until a text has been shown."""
        until = time.monotonic() + seconds
        while text not in self.screen:
            assert self._read(until), f"{text!r} was not shown: {self.screen}"

    def end(self, seconds: float = 60) -> int:
        """Read to the program's end and return its exit code."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass
        return self.process.wait(seconds)

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._master, text.encode())

    def _read(self, until: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        with suppress(OSError):
            piece = os.read(self._master, 65536)
            self._shown += piece
            return bool(piece)
        return False
