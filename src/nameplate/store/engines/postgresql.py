"""PostgreSQL, also through a pooler: nothing outlives a transaction there."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Executable, LargeBinary, Select, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from nameplate.errors import DATABASE_UNAVAILABLE
from nameplate.store.database import ConflictError, Database, PreparedRead
from nameplate.store.engines.postgresql_bulk import PostgresBulk
from nameplate.store.engines.postgresql_sessions import Sessions
from nameplate.store.text import AnyText, escape, unescape

_POOL_SIZE: Final = 8
_POOL_OVERFLOW: Final = 24
_POOL_SECONDS: Final = 10
# A process that stands still while it holds a transaction must not keep the others from going on.
_BEGIN: Final = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '10s'"
_HASTY: Final = "hasty"
_BEGIN_HASTY: Final = f"{_BEGIN}; SET LOCAL synchronous_commit = off"
_CONFLICTS: Final = ("40001", "40P01", "25P02")
_UNAVAILABLE: Final = ("08", "57P", "53", "25006")

_Made = TypeVar("_Made")


class PostgresDatabase(Database):
    """A PostgreSQL database."""

    is_embedded = False

    def __init__(self, url: URL) -> None:
        """Prepare to connect: whether that is possible shows with the first statement."""
        url = url.set(drivername="postgresql+psycopg")
        self.location = url.render_as_string(hide_password=True).replace("+psycopg", "", 1)
        self._sessions = Sessions(*url.get_dialect()().create_connect_args(url))
        self.engine = create_engine(
            url,
            creator=self._sessions.open,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_OVERFLOW,
            pool_timeout=_POOL_SECONDS,
        )
        event.listen(self.engine, "checkout", self._refuse_gone)
        event.listen(self.engine, "begin", _begin)
        self._hasty = self.engine.execution_options(**{_HASTY: True})
        self._local = threading.local()
        self._driver_connections: set[psycopg.Connection[Any]] = set()
        self.bulk = PostgresBulk(self.run)

    @contextmanager
    def transaction(self, *, durable: bool = True, seen_early: bool = False) -> Iterator[Connection]:  # noqa: ARG002 (no gain here)
        """Hold a write transaction; a durable one is never seen early."""
        with self._translated(), (self.engine if durable else self._hasty).begin() as connection:
            yield connection

    def flush(self) -> None:
        """Nothing is shown before the disk has it."""

    def prepare(self, statement: Executable) -> "PostgresRead":
        """Return a SELECT that is compiled once."""
        return PostgresRead(self, statement)

    def run(self, query: Callable[[psycopg.Connection[Any]], _Made]) -> _Made:
        """Run a query on this thread's own connection, in autocommit mode."""
        with self._translated():
            return query(self._own())

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        for connection in self._driver_connections:
            connection.close()
        self._driver_connections.clear()
        self._local = threading.local()

    def _own(self) -> psycopg.Connection[Any]:
        """Return this thread's own connection, a new one if the old one is gone."""
        connection: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if connection is not None and not self._sessions.is_usable(connection):
            self._driver_connections.discard(connection)
            connection.close()
            connection = None
        if connection is None:
            connection = self._local.connection = self._sessions.open()
            self._driver_connections.add(connection)
        return connection

    def _refuse_gone(self, connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401 (what the pool lends)
        """Have the pool connect again instead of lending a connection that is gone."""
        if not self._sessions.is_usable(connection):
            raise DisconnectionError

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise what the driver says in the store's words."""
        try:
            yield
        except PoolTimeoutError:
            raise DATABASE_UNAVAILABLE() from None
        except DBAPIError as error:
            self._raise(error.orig, error, is_lost=error.connection_invalidated)
        except psycopg.Error as error:
            self._raise(error, error, is_lost=False)

    def _raise(self, cause: BaseException | None, error: Exception, *, is_lost: bool) -> None:
        if is_conflict(cause) or self._sessions.ends_preparing(cause):
            raise ConflictError from error
        code = getattr(cause, "sqlstate", None) or ""
        # An OperationalError without a code comes from the driver itself: it has no connection, or has lost it.
        if is_lost or code.startswith(_UNAVAILABLE) or (isinstance(cause, psycopg.OperationalError) and not code):
            raise DATABASE_UNAVAILABLE() from error
        raise error


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(_BEGIN_HASTY if connection.get_execution_options().get(_HASTY) else _BEGIN)


def is_conflict(cause: BaseException | None) -> bool:
    """Whether a transaction that failed for this may be done again at once."""
    code = getattr(cause, "sqlstate", None)
    # A shard that is elsewhere loses the code.
    return code in _CONFLICTS or (code == "XX000" and "deadlock detected" in str(cause))


class PostgresRead(PreparedRead):
    """A prepared read on the thread's own connection."""

    def __init__(self, database: PostgresDatabase, statement: Executable) -> None:
        super().__init__(database.engine, statement)
        self._run = database.run
        columns = statement.selected_columns if isinstance(statement, Select) else ()
        self._escaped = [place for place, column in enumerate(columns) if isinstance(column.type, AnyText)]
        # Bytes come as they are, not in hexadecimal.
        self._is_binary = any(isinstance(column.type, LargeBinary) for column in columns)

    @cached_property
    def _texts(self) -> set[str]:
        """What is looked for has to be written as it is stored."""
        return {name for name, bound in self.compiled.binds.items() if isinstance(bound.type, AnyText)}

    def rows(self, **values: object) -> Sequence[tuple[Any, ...]]:
        """Return every row."""
        sql, bound = self.compiled.sql, dict(zip(self.compiled.names, self._bind(values), strict=True))
        for name in self._texts:
            bound[name] = escape(str(bound[name]))
        if any(isinstance(value, str) and "\0" in value for value in bound.values()):
            # PostgreSQL stores no such text, so nothing is equal to it.
            return []
        rows = self._run(lambda used: used.execute(sql, bound, binary=self._is_binary).fetchall())
        return [self._unescape(row) for row in rows] if self._escaped else rows

    def row(self, **values: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        rows = self.rows(**values)
        return rows[0] if rows else None

    def _unescape(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        escaped = self._escaped
        return tuple(unescape(value) if place in escaped else value for place, value in enumerate(row))
