"""pgbouncer before a PostgreSQL, in transaction mode."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

import pytest
from sqlalchemy import make_url

from tests.support.unprivileged import identity, open_to_all, wait_for

_UNPACKED: Final = Path(sys.prefix) / "debian"
_PATIENCE: Final = 30


def find_pgbouncer() -> str | None:
    """Return where pgbouncer is, or None."""
    path = os.pathsep.join([str(_UNPACKED / "usr/sbin"), os.environ.get("PATH", os.defpath), "/usr/sbin"])
    return shutil.which("pgbouncer", path=path)


needs_pgbouncer = pytest.mark.skipif(
    find_pgbouncer() is None and not os.environ.get("CI"), reason="pgbouncer is not here: `make test` unpacks it"
)


class Pooler:
    """pgbouncer on a free port, with fewer connections to the database than it has clients."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self._directory = directory
        self._database = make_url(database_url)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """The database's URL through it."""
        through = self._database.set(host="127.0.0.1", port=self.port)
        return through.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        program = find_pgbouncer()
        assert program is not None
        users, settings = self._directory / "users.txt", self._directory / "pgbouncer.ini"
        users.write_text(f'"{self._database.username}" "{self._database.password or ""}"\n')
        settings.write_text(self._settings(users))
        if identity():
            open_to_all(self._directory)
            for file in (users, settings):
                file.chmod(0o644)
        libraries = sorted({str(path.parent) for path in _UNPACKED.glob("usr/lib/*/*.so*")})
        environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
        log = (self._directory / "pgbouncer.log").open("a")
        with log:
            self._process = subprocess.Popen(
                [program, str(settings)], stdout=log, stderr=log, env=environment, **identity()
            )
        assert wait_for(self.url, _PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def _settings(self, users: Path) -> str:
        host, port = self._database.host, self._database.port or 5432
        return (
            f"[databases]\n* = host={host} port={port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\n"
            "max_client_conn = 200\ndefault_pool_size = 4\n"
        )
