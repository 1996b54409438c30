"""`nameplate` in processes that are forked from one which has loaded it.

To load it takes most of a start, and tests start it hundreds of times. A forked process is one like any other: it has
streams, an environment and a working directory of its own, and is killed like any other. What `python -m nameplate`
itself does is for the tests of the command line.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Final, Self

MODULE: Final = "nameplate"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.support.loaded"])
# Two threads that ask for one process's end at the same time would take it from each other.
_lock = threading.Lock()


class Forked:
    """A process that runs a module with arguments; used as one that `subprocess.Popen` has started.

    `stdout` can be read; so can `stderr`, unless it goes to a file. There is nothing to be read from its stdin.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        module: str = MODULE,
        cwd: Path | None = None,
        stderr: Path | None = None,
    ) -> None:
        self.args = [module, *arguments]
        self.returncode: int | None = None
        self.stdout, stdout_end = _pipe()
        ends: tuple[IO[str] | None, Connection | Path] = (None, stderr) if stderr else _pipe()
        self.stderr, stderr_end = ends
        streams = (stdout_end, stderr_end)
        place = (dict(env), str(cwd or Path.cwd()))
        self._process = _context.Process(target=_be, args=(module, list(arguments), place, streams), daemon=True)
        with _lock:
            self._process.start()
        for end in streams:
            if isinstance(end, Connection):
                end.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.wait()

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        with _lock:
            if self.returncode is None:
                self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code when it has ended. Raises TimeoutExpired."""
        if self.returncode is None and not wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read its streams to their ends, wait for its own, and return what it has written. Raises TimeoutExpired."""
        written: dict[str, str] = {}

        def read(name: str, stream: IO[str] | None) -> None:
            written[name] = "" if stream is None else stream.read()

        readers = [
            threading.Thread(target=read, args=each, daemon=True)
            for each in (("stdout", self.stdout), ("stderr", self.stderr))
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        self._close()
        return written["stdout"], written["stderr"]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            # Between its end and the news of it there is nobody to be told.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _close(self) -> None:
        for stream in filter(None, (self.stdout, self.stderr)):
            stream.close()


def run(
    arguments: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `nameplate` to its end. Raises TimeoutExpired."""
    with Forked(arguments, env, cwd=cwd) as process:
        try:
            stdout, stderr = process.communicate(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.wait(), stdout, stderr)


def _pipe() -> tuple[IO[str], Connection]:
    reader, writer = _context.Pipe(duplex=False)
    stream = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
    reader.close()
    return stream, writer


def _be(
    module: str,
    arguments: Sequence[str],
    place: tuple[dict[str, str], str],
    streams: Sequence[Connection | Path],
) -> None:
    """Be the program, in the process that was forked."""
    environment, directory = place
    for number, stream in enumerate(streams, start=1):
        with stream.open("ab") if isinstance(stream, Path) else stream as end:
            os.dup2(end.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # A process of multiprocessing's ends without them.
        atexit._run_exitfuncs()  # noqa: SLF001 (there is no public name)
