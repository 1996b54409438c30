"""`nameplate`, killed at one SQL statement; and the trap that says at which.

Run as a program this file is the command line, with every SQLite connection counted: it is killed just before a
statement runs (BEGIN and COMMIT are statements too), or just after a COMMIT has returned and before anybody is told.
Nothing in `nameplate` knows of it.
"""

import functools
import importlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.support.server import ROOT_ID, ROOT_SECRET, Server

PROGRAM: Final = [sys.executable, "-m", "tests.support.killer"]
SERVE: Final = ["serve", "--port", "0", "--data-dir"]
NURSERY: Final = "nursery"
STARTED: Final = "started as "
ENDED: Final = "ended with "
DIRECTORY: Final = "KILLER_DIRECTORY"
AFTER_COMMIT: Final = "after COMMIT"

# A worker asks five times a second whether there is something to do; and connections are set up when they are needed.
_IDLE: Final = re.compile(r"[^:]+: (SELECT coalesce\(|PRAGMA)")
_IMPORTED_LATE: Final = ("uvicorn.lifespan.off", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl")


@dataclass(frozen=True)
class Order:
    """Which point to be killed at: the `position`th, counted from the first one that `start` is found in.

    Points in which `skip` is found are not counted. A point is written `file: statement` or `file: after COMMIT`.
    """

    position: int
    start: str = ""
    skip: str = "$^"
    number: int = signal.SIGKILL


class Trap:
    """A directory through which a test and the program that it kills talk."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._order = directory / "order"
        self._points = directory / "points"
        path = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {DIRECTORY: str(directory), "PYTHONPATH": os.pathsep.join(path)}

    def arm(self, order: Order) -> None:
        """Count from now on."""
        draft = self._order.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(order)))
        draft.replace(self._order)

    def disarm(self) -> None:
        """Kill no more."""
        self._order.unlink(missing_ok=True)

    def read(self) -> str:
        """The present order as it is written; empty if there is none."""
        try:
            return self._order.read_text()
        except FileNotFoundError:
            return ""

    def spring(self, point: str, number: int) -> None:
        """Write the point down, and do it."""
        with self._points.open("a") as file:
            file.write(json.dumps(point) + "\n")
        # To this very thread: what stops a process through another of its threads lets this one run on for a while.
        signal.pthread_kill(threading.get_ident(), number)

    @property
    def sprung(self) -> list[str]:
        """The points at which it was done."""
        return [json.loads(line) for line in self._points.read_text().splitlines()] if self._points.exists() else []


class Killer:
    """Counts the points that this process passes, and springs the trap at the one ordered."""

    def __init__(self, trap: Trap) -> None:
        self._trap = trap
        self._lock = threading.Lock()
        self._written = ""
        self._order: Order | None = None
        self._passed = 0

    def reach(self, point: str) -> None:
        if _IDLE.match(point):
            return
        with self._lock:
            self._look()
            order = self._order
            if order is None or re.search(order.skip, point) or not (self._passed or order.start in point):
                return
            self._passed += 1
            if self._passed == order.position:
                self._trap.spring(point, order.number)

    def _look(self) -> None:
        written = self._trap.read()
        if written != self._written:
            self._written, self._passed = written, 0
            self._order = Order(**json.loads(written)) if written else None


class Connection(sqlite3.Connection):
    """A connection whose statements are counted."""

    def __init__(self, killer: Killer, database: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(database, *arguments, **options)
        self._file = Path(database).name
        self._killer = killer
        self.set_trace_callback(self._reach)

    def commit(self) -> None:
        was_open = self.in_transaction
        super().commit()
        if was_open:
            self._reach(AFTER_COMMIT)

    def execute(self, sql: str, /, *arguments: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *arguments)
        if sql == "COMMIT":
            self._reach(AFTER_COMMIT)
        return cursor

    def _reach(self, statement: str) -> None:
        self._killer.reach(f"{self._file}: {statement.strip()}")


class WarmServer(Server):
    """A server to be started often: forked, in a tenth of the time, from a process that has everything imported.

    It is a process like any other, and is killed like any other. It has one worker, so that its points come in order.
    """

    def __init__(self, data_dir: Path, *, lease: str) -> None:
        super().__init__(data_dir, program=PROGRAM, lease=lease, workers="1")
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

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def stop(self) -> int:
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
        settings = {f"NAMEPLATE_{name.upper()}": value for name, value in self.settings.items()}
        root = {"NAMEPLATE_ROOT_ACCESS_KEY_ID": ROOT_ID, "NAMEPLATE_ROOT_ACCESS_KEY_SECRET": ROOT_SECRET}
        environment = {**os.environ, **root, **settings, **more}
        pipe = subprocess.PIPE
        with (self.data_dir.parent / "server.log").open("a") as log:
            return subprocess.Popen(
                [*PROGRAM, NURSERY], stdin=pipe, stdout=pipe, stderr=log, text=True, env=environment
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
                break
        raise RuntimeError(self.log)


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


def run(arguments: list[str]) -> None:
    """Be `nameplate`, with every connection counted."""
    killer = Killer(Trap(Path(os.environ[DIRECTORY])))
    sqlite3.connect = functools.partial(  # type: ignore[assignment]  # every connection of this process
        sqlite3.connect, factory=functools.partial(Connection, killer)
    )
    from nameplate.cli import app  # noqa: PLC0415 (the test, which imports this file, does not need it)

    app(arguments)


def main() -> None:
    arguments = nurse() if sys.argv[1:] == [NURSERY] else sys.argv[1:]
    if arguments:
        run(arguments)


if __name__ == "__main__":
    main()
