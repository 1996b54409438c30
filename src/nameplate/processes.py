"""Several server processes on one port: started, watched, started again when one ends, stopped together."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from nameplate import logs
from nameplate.data_dir import StartError
from nameplate.loading import program
from nameplate.metrics import SHARED_DIR
from nameplate.server import announce_root_key, listen, open_registry, serve
from nameplate.settings import Settings
from nameplate.signals import Stop

_PROGRAM: Final = program(__name__, "serve_under_parent")
_STOP_SECONDS: Final = 40
_PAUSE_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


def supervise(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve with `settings.processes` processes until SIGTERM or SIGINT. Raises StartError."""
    with open_registry(settings) as registry:
        # Once, and before anybody serves: schema, master key, root key.
        announce_root_key(settings, registry, say)
    stop = Stop()
    with listen(settings) as listener, TemporaryDirectory(prefix="nameplate-metrics-") as shared:
        family = _Family(settings, listener, Path(shared))
        try:
            family.start()
            host, port = listener.getsockname()[:2]
            say(f"nameplate is ready on http://{host}:{port}")
            while not stop.wait(_TICK_SECONDS):
                family.replace_ended()
        finally:
            family.stop()


class _Family:
    """The processes."""

    def __init__(self, settings: Settings, listener: socket.socket, shared: Path) -> None:
        self._count = settings.processes
        self._listener = listener
        self._environment = {
            **os.environ,
            **settings.as_environment(),
            "NAMEPLATE_PROCESSES": "1",
            "NAMEPLATE_LISTEN_FD": str(listener.fileno()),
            SHARED_DIR: str(shared),
        }
        self._running: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Start every process, and return when all accept calls. Raises StartError if one does not."""
        self._running = [self._spawn() for _ in range(self._count)]
        for process in self._running:
            assert process.stdout is not None
            if not process.stdout.readline():
                message = "A server process did not start; what it said is above."
                raise StartError(message)

    def replace_ended(self) -> None:
        """Start another process for each that has ended."""
        for place, process in enumerate(self._running):
            if process.poll() is not None:
                _log.error("Server process %d ended with %d; starting another.", process.pid, process.returncode)
                _forget(process)
                # One that ends at once, again and again, must not keep the machine busy.
                time.sleep(_PAUSE_SECONDS)
                self._running[place] = self._spawn()

    def stop(self) -> None:
        """Let every process finish what it runs; end those that do not."""
        for process in self._running:
            process.terminate()
        end = time.monotonic() + _STOP_SECONDS
        for process in self._running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
            _forget(process)

    def _spawn(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 (our own command)
            _PROGRAM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            pass_fds=[self._listener.fileno()],
        )


def _forget(process: subprocess.Popen[str]) -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def serve_under_parent() -> None:
    """Be one of the processes: serve with the environment's settings, until told to stop or the parent is gone."""
    settings = Settings()
    logs.configure(settings.log_format, settings.log_level)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        serve(settings, logs.say)
    except StartError as error:
        sys.exit(f"nameplate: {error}")


def _end_with_parent() -> None:
    # It ends when the parent does, however that ends.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
