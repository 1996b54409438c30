"""Sessions of a PostgreSQL server; where one is ours alone, statements are prepared in it.

To parse and plan a keyed statement costs the server several times what running it does. Behind a pooler each
transaction may be in another session, so nothing is prepared there.
"""

import logging
import select
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

_DRIVER: Final = {
    "application_name": "nameplate",
    "connect_timeout": 5,
    # A peer that is gone is noticed in half a minute, not in two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# A plan is kept while its table grows. Made when that was one page, it would read all of it until it is analysed again.
_PLANS: Final = "SET enable_seqscan = off; SET jit = off"
# What a prepared statement fails with where sessions are mixed up, or columns have changed: a code, and words of it.
_MIXED_UP: Final = {"26000": "", "42P05": "", "0A000": "cached plan must not change result type"}

_log = logging.getLogger(__name__)


class Sessions:
    """Opens sessions of one database."""

    def __init__(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Prepare to connect with the driver's arguments."""
        self._arguments = arguments
        self._options = {**_DRIVER, **options, "autocommit": True}
        self._may_prepare = True

    def open(self) -> psycopg.Connection[Any]:
        """Open a session in autocommit mode: to begin a transaction the driver would take a round trip of its own."""
        connection = psycopg.connect(*self._arguments, **self._options)
        try:
            if self._may_prepare and _is_direct(connection):
                connection.execute(_PLANS)
            else:
                connection.prepare_threshold = None
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def is_usable(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether a session that nobody is using may be used: it has not been ended, nor prepares where none may."""
        if connection.closed or (connection.prepare_threshold is not None and not self._may_prepare):
            return False
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        # A server says nothing unasked but that it ends the connection.
        return not waiting.poll(0)

    def ends_preparing(self, cause: BaseException | None) -> bool:
        """Whether a statement has failed because it was prepared; if so, none is from now on."""
        words = _MIXED_UP.get(getattr(cause, "sqlstate", None) or "")
        if words is None or words not in str(cause):
            return False
        if self._may_prepare:
            _log.warning("Statements cannot be prepared on this database (%s): none is any more.", cause)
        self._may_prepare = False
        return True


def _is_direct(connection: psycopg.Connection[Any]) -> bool:
    """Whether nothing is between the driver and the server: a pooler gives its clients numbers of its own."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] == connection.info.backend_pid
