"""An import whose server, worker, reader and client are killed on its way ends as one that nobody has disturbed."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from nameplate import file_batches, uploads
from nameplate.call import Call, Registry
from nameplate.data_dir import database_url
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import first_id
from nameplate.file_batches import Progress
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.account import Account
from tests.support.databases import Databases
from tests.support.disk import opened
from tests.support.file_batches import VALID, table
from tests.support.server import Server

KILLS: Final = 20
BEFORE_PLAN: Final = 17
ROWS: Final = 60_000
LEASE: Final = "0.5"
PATIENCE: Final = 120
ENDED: Final = (State.CREATE_SUCCESS, State.CREATE_FAILED)


class Site:
    """A server, a worker beside it, and a client's own way into their database."""

    def __init__(self, directory: Path, url: str | None) -> None:
        directory.mkdir()
        self.settings = Settings(data_dir=directory / "data", database_url=url)
        self.server = Server(directory / "data", lease=LEASE, workers="1")
        if url:
            self.server.settings["database_url"] = url
        self.kills: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Registry]:
        self.server.start()
        self._start_worker()
        try:
            with open_registry(self.settings) as registry:
                yield registry
        finally:
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
        else:
            self.server.kill()
            self.server.start()
        self.kills.append(victim)
        return True

    def _readers(self) -> list[int]:
        assert self.server.process is not None
        found: list[int] = []
        for task in Path(f"/proc/{self.server.process.pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
        return found

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


def send(call: Call, batch: int, sent: bytes, pieces: int) -> None:
    """Send a file in pieces, each by a client that knows nothing of the one before."""
    while (received := uploads.count_received(call.registry, uploads.find(call, batch))) < len(sent):
        with uploads.receiving(call, batch, received) as receiver:
            receiver.append(sent[received : received + -(-len(sent) // pieces)])
            if receiver.received == len(sent):
                receiver.complete()


def disturb(site: Site, call: Call, batch: int, kills: int, ended: tuple[State, ...], longest: float) -> None:
    """Kill one after the other, until there were so many or it has ended."""
    chance = random.Random(kills)  # noqa: S311 (not a secret)
    while len(site.kills) < kills and file_batches.progress(call, batch).state not in ended:
        time.sleep(chance.uniform(0, longest))
        site.kill(chance.choice(["reader", "server", "worker"]))


def wait(call: Call, batch: int, states: tuple[State, ...]) -> Progress:
    end = time.monotonic() + PATIENCE
    while (found := file_batches.progress(call, batch)).state not in states:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def run(site: Site, kills: int) -> dict[str, Any]:
    """Import the file, and return what there is then."""
    with site.running() as registry:
        account = Account(registry)
        call = Call(registry, "test", account.id, Role.ADMIN, "")
        batch = file_batches.announce(call, account.product(), "devices.csv").batch_id
        send(call, batch, content(), 3 if kills else 1)
        planned = (State.CHECK_SUCCESS, State.CHECK_FAILED)
        disturb(site, call, batch, min(kills, BEFORE_PLAN), planned, 0.3)
        wait(call, batch, planned)
        file_batches.apply(call, batch, VALID)
        disturb(site, call, batch, kills, ENDED, 0.03)
        progress = wait(call, batch, ENDED)
        assert progress.created + progress.illegal == progress.total == ROWS
        return read(registry, site, batch)


def read(registry: Registry, site: Site, batch: int) -> dict[str, Any]:
    """Everything that is to be the same: every device with its secret, every finding, every count."""
    devices = registry.store.devices.after(0, first_id(batch + 1), 0, 10 * ROWS)
    found: dict[str, Any] = {
        "devices": [(one.id - first_id(batch), one.name, one.open_secret(registry.master)) for one in devices]
    }
    queries = {
        "batch": "SELECT id, state, total, done, refused, illegal, unchanged, conflicts, created, policy FROM batch",
        "parts": "SELECT first, rows, step, is_done, outcomes, failed, owner FROM part ORDER BY first",
        "findings": "SELECT * FROM finding ORDER BY line, place",
        "uploads": "SELECT number, state, rows_read, pieces, received, owner FROM upload",
        "names": "SELECT batch_id, first FROM part_names",
    }
    with opened(database_url(site.settings)) as connection:
        return found | {what: connection.execute(text(query)).all() for what, query in queries.items()}


@pytest.fixture
def sites(engine: str, databases: Databases, tmp_path: Path) -> Iterator[list[Site]]:
    urls = [databases.new() if engine == "postgresql" else None for _ in range(2)]
    yield [Site(tmp_path / name, url) for name, url in zip(("calm", "killed"), urls, strict=True)]
    for url in filter(None, urls):
        databases.drop(url)


def test_an_import_that_is_killed_on_its_way_ends_as_one_that_is_not(sites: list[Site]) -> None:
    calm, killed = sites
    expected, found = run(calm, 0), run(killed, KILLS)
    assert {"reader", "server", "worker"} == set(killed.kills)
    assert len(killed.kills) == KILLS
    assert found == expected
    assert "Traceback" not in killed.server.log
