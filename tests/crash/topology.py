"""What runs: servers, workers and a database, on each engine."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self, TypeVar

from tests.crash.members import Member
from tests.support.disk import execute
from tests.support.postgres import Postgres
from tests.support.server import ROOT_ID, ROOT_SECRET

_Made = TypeVar("_Made")

# Who had a part before, when another takes it: a worker that was killed, or stood still.
TAKEOVERS: Final = {
    "sqlite": (
        "CREATE TABLE takeover (batch_id INTEGER, loser TEXT, winner TEXT)",
        """CREATE TRIGGER taken_over AFTER UPDATE OF owner ON part WHEN OLD.owner <> NEW.owner
        BEGIN INSERT INTO takeover VALUES (NEW.batch_id, OLD.owner, NEW.owner); END""",
    ),
    "postgresql": (
        "CREATE TABLE takeover (batch_id BIGINT, loser TEXT, winner TEXT)",
        """CREATE FUNCTION take_over() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO takeover VALUES (NEW.batch_id, OLD.owner, NEW.owner); RETURN NULL; END'""",
        """CREATE TRIGGER taken_over AFTER UPDATE OF owner ON part FOR EACH ROW WHEN (OLD.owner <> NEW.owner)
        EXECUTE FUNCTION take_over()""",
    ),
}


class Topology:
    """An installation on one machine."""

    def __init__(self, directory: Path, engine: str, lease: float, workers: int) -> None:
        self.engine = engine
        self.lease = lease
        self.postgres = Postgres(directory / "postgres") if engine == "postgresql" else None
        self.url = f"sqlite:///{directory / 'data' / 'nameplate.db'}"
        self.servers: list[Member] = []
        self.workers: list[Member] = []
        self._directory = directory
        self._workers = workers

    def __enter__(self) -> Self:
        try:
            self._start_database()
            self._make_members()
            # The first one makes what all share: keys, and SQLite's schema.
            self.servers[0].start()
            self.for_each(Member.start, self.members[1:])
            execute(self.url, *TAKEOVERS[self.engine])
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def members(self) -> list[Member]:
        return [*self.servers, *self.workers]

    def for_each(self, work: Callable[[Member], _Made], members: Sequence[Member]) -> list[_Made]:
        """Do something to members, all at the same time."""
        with ThreadPoolExecutor(len(members) or 1) as pool:
            return list(pool.map(work, members))

    def end(self) -> None:
        """Leave nothing running."""
        for member in self.members:
            with suppress(subprocess.TimeoutExpired):
                member.kill()
        if self.postgres is not None:
            self.postgres.stop()

    def _start_database(self) -> None:
        if self.postgres is None:
            return
        (self._directory / "postgres").mkdir()
        self.url = self.postgres.start().create("registry")
        upgrade = [sys.executable, "-m", "nameplate", "db", "upgrade"]
        subprocess.run(upgrade, check=True, env=self._environment, stdout=subprocess.DEVNULL)

    def _make_members(self) -> None:
        if self.engine == "sqlite":
            self.servers = [self._server("server", trapped=True, workers="2")]
            self.workers = [self._worker("worker")]
            return
        # Only the processes that its own supervisor starts again cannot be trapped.
        self.servers = [
            self._server("server-1", trapped=False, processes="2", workers="1"),
            self._server("server-2", trapped=True, workers="0"),
        ]
        self.workers = [self._worker(f"worker-{number}") for number in range(1, self._workers + 1)]

    def _server(self, name: str, *, trapped: bool, **options: str) -> Member:
        more = [word for option, value in options.items() for word in (f"--{option}", value)]
        return Member(self._directory / name, ["serve", "--port", "0", *more], self._environment, trapped=trapped)

    def _worker(self, name: str) -> Member:
        return Member(self._directory / name, ["worker", "--workers", "1"], self._environment, trapped=True)

    @property
    def _environment(self) -> Mapping[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("NAMEPLATE_")}
        scratch = self._directory / "tmp"
        scratch.mkdir(exist_ok=True)
        return plain | {
            "NAMEPLATE_DATA_DIR": str(self._directory / "data"),
            "NAMEPLATE_DATABASE_URL": self.url,
            "NAMEPLATE_ROOT_ACCESS_KEY_ID": ROOT_ID,
            "NAMEPLATE_ROOT_ACCESS_KEY_SECRET": ROOT_SECRET,
            "NAMEPLATE_LEASE": str(self.lease),
            "NAMEPLATE_LOG_LEVEL": "warning",
            "TMPDIR": str(scratch),
        }
