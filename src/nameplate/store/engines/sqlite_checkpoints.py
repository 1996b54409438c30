"""Checkpoints: what SQLite's log has is written into the file, and the log begun anew.

SQLite makes one in the commit that fills the log, and everybody else waits as long. These are made beside the writers.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

# Larger than SQLite's own 1,000 pages: fewer checkpoints, each over more writes to the same pages.
LOG_PAGES: Final = 16_000
# A page of SQLite's usual size, with what the log says of it. That the log is longer says that a checkpoint is due.
LOG_BYTES: Final = LOG_PAGES * (4_096 + 24)
# Each leaves to the next what has been written during it, and hardly anything to the one that writers wait for.
_PASSES: Final = 3
# Whoever reads for long keeps the log from being begun anew, and a checkpoint due.
_PAUSE_SECONDS: Final = 0.1
_CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"

_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one file, each in a thread of its own."""

    def __init__(self, log: Path, connect: Callable[[], sqlite3.Connection], writing: threading.Lock) -> None:
        """Checkpoint a log on connections made for it; `writing` is the lock that this process's writers hold."""
        self._path = log
        self._connect = connect
        self._writing = writing
        self._under_way = threading.Lock()
        self._not_before = 0.0
        self._has_failed = False

    def take_over(self, connection: sqlite3.Connection) -> None:
        """Have a connection's commits make none; each is to be followed by `make_if_due`."""
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # Begun anew, the log is cut down to this, so that it can be seen when it grows longer again.
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")

    def make_if_due(self) -> None:
        """Begin a checkpoint if the log has grown long and none is under way."""
        if not self._is_due() or not self._under_way.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._make, name="checkpoint").start()
        except RuntimeError as error:
            # No thread is to be had. Whoever has written must not be told that it has failed.
            self._say_once(error)
            self._under_way.release()

    def wait(self) -> None:
        """Wait for the end of the one under way."""
        with self._under_way:
            pass

    def _is_due(self) -> bool:
        try:
            return self._path.stat().st_size > LOG_BYTES and time.monotonic() >= self._not_before
        except FileNotFoundError:
            return False

    def _make(self) -> None:
        try:
            with closing(self._connect()) as connection:
                for _ in range(_PASSES):
                    connection.execute(_CHECKPOINT)
                # With nothing written meanwhile, it is whole, and the next to write begins the log anew.
                with self._writing:
                    connection.execute(_CHECKPOINT)
        except sqlite3.Error as error:
            self._say_once(error)
        else:
            self._has_failed = False
        finally:
            self._not_before = time.monotonic() + _PAUSE_SECONDS
            self._under_way.release()

    def _say_once(self, error: Exception) -> None:
        if not self._has_failed:
            _log.warning("%s cannot be written into its database: %s. It grows until it can.", self._path, error)
        self._has_failed = True
