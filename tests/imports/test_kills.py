"""An import whose server, worker, reader and client are killed on its way ends as one that nobody has disturbed."""

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from nameplate.call import Call, Registry
from nameplate.data_dir import database_url
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import first_id
from nameplate.imports import file_batches
from nameplate.imports.file_batches import Progress
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.cli import Cli
from tests.support.databases import Databases
from tests.support.disk import opened
from tests.support.file_batches import VALID, table
from tests.support.server import Server
from tests.support.weak_link import WeakLink

KILLS: Final = 20
MORE: Final = 3
"""How many while devices are created, if it takes long enough."""

ROWS: Final = 60_000
LEASE: Final = "0.5"
PATIENCE: Final = 120
ENDED: Final = (State.CREATE_SUCCESS, State.CREATE_FAILED)
VICTIMS: Final = ("reader", "server", "worker", "client")


class Site:
    """A server, a worker beside it, and somebody who runs `nameplate import` until it has succeeded."""

    def __init__(self, directory: Path, url: str | None) -> None:
        directory.mkdir()
        self.settings = Settings(data_dir=directory / "data", database_url=url)
        self.server = Server(directory / "data", lease=LEASE, workers="1")
        if url:
            self.server.settings["database_url"] = url
        self.kills: list[str] = []
        self._directory = directory

    @contextmanager
    def importing(self, content: bytes) -> Iterator[Registry]:
        """Run everything, and import a file."""
        self.server.start()
        self._start_worker()
        with WeakLink.to(self.server.port) as self._link, open_registry(self.settings) as registry:
            try:
                self._cli = Cli(self._directory, self._link.port)
                self._product = self._cli.product("pumps")
                (self._directory / "devices.csv").write_bytes(content)
                self._start_client()
                yield registry
            finally:
                if self._client.poll() is None:
                    self._end_client()
                self._end_worker(signal.SIGTERM)
                assert self.server.stop() == 0

    def kill(self, victim: str) -> bool:
        """Kill one of the processes and start it again; False if it was not there."""
        if victim == "reader":
            if not (readers := self._readers()):
                return False
            with suppress(ProcessLookupError):
                os.kill(readers[0], signal.SIGKILL)
        elif victim == "worker":
            self._end_worker(signal.SIGKILL)
            self._start_worker()
        elif victim == "client":
            self._end_client()
            self._start_client()
        else:
            self.server.kill()
            self._link.cut()
            self._link.target = self.server.start().port
        self.kills.append(victim)
        return True

    def finish(self) -> str:
        """Let the client come to its end, begun again if it had met no server, and return what it says then."""
        said, log = self._client.communicate(PATIENCE)
        if "ended (" not in said:
            assert "onnection to" in log, log
            self._start_client()
            said, log = self._client.communicate(PATIENCE)
        return said

    def _readers(self) -> list[int]:
        assert self.server.process is not None
        found: list[int] = []
        for task in Path(f"/proc/{self.server.process.pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
        return found

    def _start_client(self) -> None:
        self._client = self._cli.start(
            "import", "devices.csv", "--product", self._product, "--policy", VALID.policy, "--yes"
        )

    def _end_client(self) -> None:
        self._client.kill()
        self._client.communicate()

    def _start_worker(self) -> None:
        self._worker = self.server.beside("worker")

    def _end_worker(self, number: int) -> None:
        self._worker.send_signal(number)
        self._worker.communicate()


def content() -> bytes:
    """A file in no order, of which one row in a hundred is bad."""
    chance = random.Random(7)  # noqa: S311 (not a secret)
    rows = [[f"pump-{number:06}", f"secret-{number * 7919:020}"] for number in range(ROWS)]
    for row in chance.sample(rows, ROWS // 100):
        row[0] = chance.choice(["no", "a b c d e", row[0] + "\u200b", rows[0][0]])
    chance.shuffle(rows)
    return table(rows, ("DeviceName", "DeviceSecret"))


def disturb(site: Site, call: Call, batch: int, kills: int, ended: tuple[State, ...], longest: float) -> None:
    """Kill one after the other, until there were so many or it has ended."""
    chance = random.Random(kills)  # noqa: S311 (not a secret)
    while len(site.kills) < kills and file_batches.progress(call, batch).state not in ended:
        time.sleep(chance.uniform(0, longest))
        site.kill(chance.choice(VICTIMS))


def wait(call: Call, batch: int, states: tuple[State, ...]) -> Progress:
    end = time.monotonic() + PATIENCE
    while (found := file_batches.progress(call, batch)).state not in states:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def begun(site: Site) -> tuple[int, int]:
    """Return the account and the batch, once there is one."""
    end = time.monotonic() + PATIENCE
    with opened(database_url(site.settings)) as connection:
        while not (rows := connection.execute(text("SELECT account_id, id FROM batch")).all()):
            assert time.monotonic() < end
            time.sleep(0.01)
    account, batch = rows[0]
    return account, batch


def run(site: Site, kills: int) -> dict[str, Any]:
    """Import the file, and return what there is then."""
    with site.importing(content()) as registry:
        account, batch = begun(site)
        call = Call(registry, "test", account, Role.ADMIN, "")
        disturb(site, call, batch, kills, (State.CREATE, *ENDED), 0.3)
        wait(call, batch, (State.CREATE, *ENDED))
        disturb(site, call, batch, kills and kills + MORE, ENDED, 0.03)
        progress = wait(call, batch, ENDED)
        assert progress.created + progress.illegal == progress.total == ROWS
        # If it was killed at the very end it has imported the file a second time, which changes nothing.
        assert re.search(f"{progress.created:,} (created|unchanged)", site.finish())
        return read(registry, site, batch)


def read(registry: Registry, site: Site, batch: int) -> dict[str, Any]:
    """Everything that is to be the same: every device with its secret, every finding, every count."""
    devices = registry.store.devices.after(0, first_id(batch + 1), 0, 10 * ROWS)
    found: dict[str, Any] = {
        "devices": [(one.id - first_id(batch), one.name, one.open_secret(registry.master)) for one in devices]
    }
    queries = {
        "batch": "SELECT state, total, done, refused, illegal, unchanged, created, policy FROM batch WHERE id",
        "parts": "SELECT first, rows, step, is_done, outcomes, failed, owner FROM part WHERE batch_id",
        "findings": "SELECT * FROM finding WHERE batch_id",
        "uploads": "SELECT number, state, rows_read, pieces, received, owner FROM upload WHERE batch_id",
        "names": "SELECT first FROM part_names WHERE batch_id",
    }
    with opened(database_url(site.settings)) as connection:
        rows = {what: connection.execute(text(f"{query} = {batch}")).all() for what, query in queries.items()}
    return found | {what: sorted(map(tuple, some), key=repr) for what, some in rows.items()}


@pytest.fixture
def sites(engine: str, databases: Databases, tmp_path: Path) -> Iterator[list[Site]]:
    urls = [databases.new() if engine == "postgresql" else None for _ in range(2)]
    yield [Site(tmp_path / name, url) for name, url in zip(("calm", "killed"), urls, strict=True)]
    for url in filter(None, urls):
        databases.drop(url)


def test_an_import_that_is_killed_on_its_way_ends_as_one_that_is_not(sites: list[Site]) -> None:
    calm, killed = sites
    expected, found = run(calm, 0), run(killed, KILLS)
    assert set(VICTIMS) == set(killed.kills)
    assert len(killed.kills) >= KILLS
    assert found == expected
    assert "Traceback" not in killed.server.log
