"""`nameplate`, killed at one SQL statement; and the trap that says at which.

Run as a program this file is the command line, with every statement counted that is sent to SQLite or PostgreSQL: it
is killed just before a statement runs (BEGIN and COMMIT are statements too), or just after a COMMIT has returned and
before anybody is told. Nothing in `nameplate` knows of it.
"""

import functools
import json
import os
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

MODULE: Final = "tests.support.killer"
PROGRAM: Final = [sys.executable, "-m", MODULE]
DIRECTORY: Final = "KILLER_DIRECTORY"
AFTER_COMMIT: Final = "after COMMIT"

# A worker asks five times a second whether there is something to do; and connections are set up when they are needed.
_IDLE: Final = re.compile(r"[^:]+: (SELECT coalesce\(|PRAGMA|SELECT 1$|select pg_catalog|show )")
# They look and write at times of their own: what they do would move every other point about.
_ASIDE: Final = ("leases", "reader", "deliverer", "asyncio_")
_WRITES: Final = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Order:
    """Which point to be killed at: the `position`th, counted from the first one that `start` is found in.

    Points in which `skip` is found are not counted. A point is written `file: statement` or `file: after COMMIT`; the
    file of a PostgreSQL database is `postgresql`.
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

    def disarm(self) -> bool:
        """Kill no more; False if there was no order any more, because the trap is being sprung."""
        try:
            self._order.unlink()
        except FileNotFoundError:
            return False
        return True

    def read(self) -> str:
        """The present order as it is written; empty if there is none."""
        try:
            return self._order.read_text()
        except FileNotFoundError:
            return ""

    def spring(self, point: str, number: int) -> None:
        """Write the point down, and do it: once for each order, and not if that has been taken back."""
        try:
            self._order.rename(self._order.with_suffix(".sprung"))
        except FileNotFoundError:
            return
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
        if _IDLE.match(point) or threading.current_thread().name.startswith(_ASIDE):
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
    """A connection to SQLite whose statements are counted."""

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


class PostgresPoints:
    """Every connection to PostgreSQL, its statements counted.

    The driver's own classes are changed: SQLAlchemy makes its connections and cursors of them, and so do we.
    """

    def __init__(self, killer: Killer) -> None:
        self._killer = killer

    def install(self) -> None:
        cursor, connection = psycopg.Cursor, psycopg.Connection
        cursor.execute = self._counted(cursor.execute)  # type: ignore[method-assign]  # on purpose
        cursor.executemany = self._counted(cursor.executemany)  # type: ignore[method-assign]  # on purpose
        cursor.copy = self._copying(cursor.copy)  # type: ignore[method-assign]  # on purpose
        connection.commit = self._committing(connection.commit)  # type: ignore[method-assign]  # on purpose

    def _counted(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(cursor: psycopg.Cursor[Any], query: Any, *more: Any, **options: Any) -> Any:
            statement = self._reach(query)
            answer = run(cursor, query, *more, **options)
            # Outside of a transaction a statement is one by itself.
            if statement.startswith(_WRITES) and _is_idle(cursor.connection):
                self._reach(AFTER_COMMIT)
            return answer

        return counted

    def _copying(self, run: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def copying(cursor: psycopg.Cursor[Any], statement: Any, *more: Any, **options: Any) -> Iterator[Any]:
            self._reach(statement)
            with run(cursor, statement, *more, **options) as copy:
                yield copy

        return copying

    def _committing(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def committing(connection: psycopg.Connection[Any]) -> None:
            if _is_idle(connection):
                run(connection)
                return
            self._reach("COMMIT")
            run(connection)
            self._reach(AFTER_COMMIT)

        return committing

    def _reach(self, query: Any) -> str:
        statement = (query.decode() if isinstance(query, bytes) else str(query)).strip()
        self._killer.reach(f"postgresql: {statement}")
        return statement


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == TransactionStatus.IDLE


def run(arguments: list[str]) -> None:
    """Be `nameplate`, with every connection counted."""
    killer = Killer(Trap(Path(os.environ[DIRECTORY])))
    sqlite3.connect = functools.partial(  # type: ignore[assignment]  # every connection of this process
        sqlite3.connect, factory=functools.partial(Connection, killer)
    )
    PostgresPoints(killer).install()
    from nameplate.cli import app  # noqa: PLC0415 (the test, which imports this file, does not need it)

    app(arguments)


if __name__ == "__main__":
    run(sys.argv[1:])
