"""Registries under measurement: on either engine, a copy for each round, with servers and workers in processes."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from bench.calls import Connection, sign
from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.server import open_registry
from nameplate.settings import Settings
from nameplate.store.batches import NewBatch
from nameplate.store.store import upgrade_schema
from tests.support.postgres import Postgres
from tests.support.server import PROGRAM, Server

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
ENGINES: Final = (SQLITE, POSTGRES)

_POSTGRES: Final = {"shared_buffers": "2GB", "max_wal_size": "8GB"}
_HELD: Final = [sys.executable, "-m", "bench.held"]
_WORKER: Final = [*PROGRAM, "worker"]
_PATIENCE: Final = 60
_UNFINISHED: Final = "SELECT count(*) FROM part WHERE is_done = 0"


class Sites:
    """Makes registries in a scratch directory, and a PostgreSQL server when the first one needs it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._stack = ExitStack()
        self._url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def postgres(self) -> str:
        """The URL of the PostgreSQL server: one of our own, unless NAMEPLATE_TEST_DATABASE_URL names another."""
        if not self._url:
            self._url = os.environ.get("NAMEPLATE_TEST_DATABASE_URL", "") or self._start()
        return self._url

    @property
    def postgres_version(self) -> str | None:
        """The version of the PostgreSQL server; None if nothing has needed one."""
        if not self._url:
            return None
        with psycopg.connect(self._url) as connection:
            return connection.info.parameter_status("server_version")

    def make(self, engine: str) -> "Site":
        """Make a registry with one product and no device."""
        data_dir = Path(mkdtemp(dir=self.scratch)) / "data"
        url = self.create("template1") if engine == POSTGRES else None
        if url:
            upgrade_schema(url)
        site = Site(self, engine, data_dir, url, "")
        with site.serving() as server, Connection(server.port) as connection:
            made = connection.call(sign("CreateProduct", {"ProductName": "measured", "NodeType": "0"}))
        return replace(site, product=str(made["ProductKey"]))

    def create(self, template: str) -> str:
        """Make a database and return its URL."""
        name = f"bench_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return make_url(self.postgres).set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str) -> None:
        """Run a statement on the PostgreSQL server."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _start(self) -> str:
        directory = Path(mkdtemp(dir=self.scratch))
        server = Postgres(directory, **_POSTGRES).start()
        self._stack.callback(server.stop)
        return server.url()


@dataclass(frozen=True, slots=True)
class Site:
    """One registry: its data directory, its database and the key of its product."""

    sites: Sites
    engine: str
    data_dir: Path
    url: str | None
    product: str

    @contextmanager
    def copy(self) -> Iterator["Site"]:
        """Make a copy, while nothing uses this one; removed at the end.

        So calls that were signed once are good, and fresh, in every round.
        """
        holder = Path(mkdtemp(dir=self.sites.scratch))
        url = None
        try:
            data_dir = Path(shutil.copytree(self.data_dir, holder / "data"))
            if self.url:
                url = self.sites.create(str(make_url(self.url).database))
                self.sites.execute("CHECKPOINT")
            yield replace(self, data_dir=data_dir, url=url)
        finally:
            shutil.rmtree(holder)
            if url:
                self.sites.execute(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    @contextmanager
    def serving(self, **settings: str) -> Iterator[Server]:
        """Run a server; stops it at the end."""
        server = Server(self.data_dir, program=PROGRAM)
        server.settings = {**({"database_url": self.url} if self.url else {}), **settings}
        try:
            yield server.start()
        finally:
            if server.process is not None:
                server.stop()

    def working(self, processes: int) -> AbstractContextManager[list[subprocess.Popen[str]]]:
        """Run `nameplate worker --workers 1` in so many processes; stops them at the end."""
        return self._running(_WORKER, processes)

    @contextmanager
    def held(self, processes: int) -> Iterator[Callable[[], None]]:
        """Run so many workers, a process each, that wait until the function this yields is called."""
        with self._running(_HELD, processes) as running:

            def go() -> None:
                for process in running:
                    assert process.stdin is not None
                    process.stdin.write("go\n")
                    process.stdin.flush()

            yield go

    @contextmanager
    def open(self) -> Iterator[Registry]:
        """Open the registry in this process."""
        with open_registry(Settings(data_dir=self.data_dir, database_url=self.url)) as registry:
            yield registry

    @contextmanager
    def unfinished(self) -> Iterator[Callable[[], int]]:
        """Yield a function that counts the parts that are not done."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True, prepare_threshold=0) as connection:
                yield lambda: _count(connection.execute(_UNFINISHED).fetchone())
        else:
            with closing(sqlite3.connect(self.data_dir / "nameplate.db", isolation_level=None)) as file:
                yield lambda: _count(file.execute(_UNFINISHED).fetchone())

    def submit(self, batches: Sequence[Sequence[str]]) -> None:
        """Leave batches of names that are to be created, for workers to find."""
        with self.open() as registry:
            product = registry.store.products.find(self.product)
            assert product is not None
            for names in batches:
                number = registry.store.counters.mint("batch")
                new = NewBatch(number, product.account_id, product.id, State.CREATE, len(names), names)
                registry.store.batches.add(new, None, registry.clock())

    def vacuum(self) -> None:
        """Do now what PostgreSQL would do in the background later."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("VACUUM (ANALYZE)")
                connection.execute("CHECKPOINT")

    @contextmanager
    def _running(self, command: Sequence[str], processes: int) -> Iterator[list[subprocess.Popen[str]]]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("NAMEPLATE_")}
        given = {"NAMEPLATE_DATA_DIR": str(self.data_dir), "NAMEPLATE_WORKERS": "1"}
        environment = {**plain, **given, **({"NAMEPLATE_DATABASE_URL": self.url} if self.url else {})}
        pipe = subprocess.PIPE
        running: list[subprocess.Popen[str]] = []
        try:
            with (self.data_dir.parent / "worker.log").open("a") as log:
                running += (
                    subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=environment)  # noqa: S603 (our own)
                    for _ in range(processes)
                )
            for process in running:
                _wait_until_ready(process)
            yield running
        finally:
            for process in running:
                process.terminate()
            for process in running:
                _reap(process)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if " is ready" not in process.stdout.readline():
        message = "A worker ended before it was ready; its log is beside its data directory."
        raise RuntimeError(message)


def _reap(process: subprocess.Popen[str]) -> None:
    process.wait(_PATIENCE)
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def _count(row: Sequence[int] | None) -> int:
    assert row is not None
    return row[0]
