"""SQLite: one file, one writer at a time."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from nameplate.errors import DATABASE_UNAVAILABLE
from nameplate.store.database import Database, PreparedRead
from nameplate.store.engines.sqlite_bulk import SqliteBulk
from nameplate.store.engines.sqlite_checkpoints import LOG_PAGES, Checkpoints

_BUSY_SECONDS: Final = 30
# Whether a commit waits until the disk has it. One that does has all earlier ones written too.
_DURABLE: Final = "FULL"
_NOT_DURABLE: Final = "NORMAL"
_SYNCHRONOUS: Final = "synchronous"
_FAILURES: Final = (OperationalError, sqlite3.OperationalError)
# Small enough to be full, and the process no longer growing, after some three hundred thousand devices.
_WRITER_CACHE_KIB: Final = 32_768


class SqliteDatabase(Database):
    """A SQLite file, made for its owner only if there is none."""

    is_embedded = True

    def __init__(self, path: str | Path, *, durable: bool = True) -> None:
        """Open the file.

        With `durable` an acknowledged transaction, unless it says otherwise, survives power loss, else only a crash.
        """
        self.path = Path(path)
        self.location = str(self.path)
        self._log = Path(f"{path}-wal")
        _make_private(self.path)
        self._synchronous = _DURABLE if durable else _NOT_DURABLE
        self._writing = threading.Lock()
        self._calls = threading.Lock()
        self._held: Connection | None = None
        self._local = threading.local()
        self._driver_connections: list[sqlite3.Connection] = []
        self._checkpoints = Checkpoints(self._log, self._connect, self._writing)
        self.engine = self._make_engine()
        self.bulk = SqliteBulk(self.reader)

    @contextmanager
    def transaction(self, *, durable: bool = True, seen_early: bool = False) -> Iterator[Connection]:
        """Hold a write transaction."""
        at_once = durable and not seen_early
        try:
            # SQLite has one writer at a time. Waiting here is woken at once; waiting in SQLite is polling.
            with self._line(seen_early=seen_early), self._writing, self._begun(durable=at_once) as connection:
                yield connection
        except _FAILURES as error:
            # The disk is full or cannot be written to, or another process holds the lock and holds it.
            raise DATABASE_UNAVAILABLE() from error
        self._checkpoints.make_if_due()
        if durable and seen_early:
            self.flush()

    def flush(self) -> None:
        """Have the disk take the log: whatever is not there any more is in the file, which it has taken already."""
        if self._synchronous != _DURABLE:
            return
        try:
            log = os.open(self._log, os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DATABASE_UNAVAILABLE() from error

    def prepare(self, statement: Executable) -> "SqliteRead":
        """Return a SELECT that is compiled once."""
        return SqliteRead(self, statement)

    def reader(self) -> sqlite3.Connection:
        """Return this thread's own read connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._driver_connections.append(connection)
        return connection

    def _line(self, *, seen_early: bool) -> AbstractContextManager[object]:
        """Have calls, whose transactions these are, line up: a worker then waits for one of them and not for all."""
        return self._calls if seen_early else nullcontext()

    @contextmanager
    def _begun(self, *, durable: bool) -> Iterator[Connection]:
        """Begin a transaction on the one connection for them, whose cache is warm."""
        connection = self._held = self._held or self._hold()
        try:
            self._wait_for_disk(connection, durable=durable)
            with connection.begin():
                yield connection
        except _FAILURES:
            # Whatever it has left this connection in, the next is begun on another.
            self._held = None
            connection.invalidate()
            connection.close()
            raise

    def _hold(self) -> Connection:
        connection = self.engine.connect()
        self._checkpoints.take_over(_driver(connection))
        return connection

    def _wait_for_disk(self, connection: Connection, *, durable: bool) -> None:
        synchronous = self._synchronous if durable else _NOT_DURABLE
        if connection.info.get(_SYNCHRONOUS) != synchronous:
            _driver(connection).execute(f"PRAGMA synchronous = {synchronous}")
            connection.info[_SYNCHRONOUS] = synchronous

    def writer(self) -> sqlite3.Connection:
        """Return a connection of its own for a caller that serialises its writes itself."""
        connection = self._connect()
        self._driver_connections.append(connection)
        return connection

    def close(self) -> None:
        """Close every connection."""
        self._checkpoints.wait()
        if self._held is not None:
            self._held.close()
            self._held = None
        self.engine.dispose()
        for connection in self._driver_connections:
            connection.close()
        self._driver_connections.clear()
        self._local = threading.local()

    def _make_engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=self._connect_writer, poolclass=QueuePool)
        event.listen(engine, "begin", lambda connection: _driver(connection).execute("BEGIN IMMEDIATE"))
        return engine

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        # Pages that are given back are not written once more: Debian's SQLite would, and no secret is in the clear.
        connection.execute("PRAGMA secure_delete = FAST")
        return connection


def _driver(connection: Connection) -> sqlite3.Connection:
    return connection.connection.driver_connection  # type: ignore[return-value]  # untyped there


def _make_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives the files beside it the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


class SqliteRead(PreparedRead):
    """A prepared read on the thread's own connection."""

    def __init__(self, database: SqliteDatabase, statement: Executable) -> None:
        super().__init__(database.engine, statement)
        self._reader = database.reader

    def rows(self, **values: object) -> Sequence[tuple[Any, ...]]:
        """Return every row."""
        return self._reader().execute(self.compiled.sql, self._bind(values)).fetchall()

    def row(self, **values: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        row: tuple[Any, ...] | None = self._reader().execute(self.compiled.sql, self._bind(values)).fetchone()
        return row
