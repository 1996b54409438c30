"""Worker processes that are killed, or stand still past their lease, beside another that does the work."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import pytest

from nameplate.data_dir import database_url
from nameplate.server import clock
from nameplate.settings import Settings
from tests.support import batch
from tests.support.disk import dump, read, wait_until
from tests.support.forked import Forked
from tests.support.killer import MODULE, Order, Trap
from tests.support.server import Server
from tests.support.signer import Client

LEASE: Final = 1_000
NAMES: Final = ["pump-1", "pump-2", "pump-3"]
PATIENCE: Final = 30
CREATES: Final = {"sqlite": "INSERT INTO device", "postgresql": "COPY device"}


class WorkerProcess:
    """`nameplate worker` beside a server, with a trap to be killed or stopped in."""

    def __init__(self, server: Server, directory: Path) -> None:
        directory.mkdir()
        self.trap = Trap(directory / "trap")
        self._log = directory / "log"
        environment = {**server.environment, **self.trap.environment, "NAMEPLATE_WORKERS": "1"}
        arguments = ["worker", "--data-dir", str(server.data_dir)]
        self.process = Forked(arguments, environment, module=MODULE, stderr=self._log)

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        assert "nameplate worker is ready" in self.process.stdout.readline(), self.log
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture
def database(settings: Settings) -> str:
    return database_url(settings)


@pytest.fixture
def server(database: str, data_dir: Path) -> Iterator[Server]:
    """A server that leaves the work to others."""
    running = Server(data_dir, workers="0", lease=str(LEASE / 1000), database_url=database).start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_a_killed_workers_part_is_taken_over_within_its_lease_and_a_second(
    engine: str, database: str, server: Server, product: str, tmp_path: Path
) -> None:
    """The batches keep both workers busy; the first one is killed before it has created its first device."""
    root = server.root
    with WorkerProcess(server, tmp_path / "first") as first, WorkerProcess(server, tmp_path / "second") as second:
        first.trap.arm(Order(1, start=CREATES[engine]))
        numbers = [mint_names(root, product, 10_000) for _ in range(8)]
        assert first.process.wait(PATIENCE) == -signal.SIGKILL
        assert "Traceback" not in first.log, first.log
        held = "SELECT batch_id, leased_until FROM part WHERE owner LIKE :owner"
        [(taken_over, until)] = read(database, held, owner=f"%:{first.process.pid}:%")
        assert batch.wait(root, product, taken_over)["Status"] == "CREATE_SUCCESS"
        assert until <= clock() < until + 1_000
        for number in numbers:
            assert batch.wait(root, product, number)["Status"] == "CREATE_SUCCESS"
        assert read(database, "SELECT count(*), count(DISTINCT name) FROM device") == [(80_000, 80_000)]
        assert second.stop() == 0
        assert "Traceback" not in second.log


def mint_names(client: Client, product: str, count: int) -> int:
    return int(client.call("BatchRegisterDevice", ProductKey=product, Count=str(count))["Data"]["ApplyId"])


def test_a_worker_process_that_stood_still_past_its_lease_changes_nothing(
    database: str, server: Server, product: str, tmp_path: Path
) -> None:
    """Once when it had claimed the check, and once when it had claimed the creation."""
    root = server.root
    # With one between the names it takes a worker to check them.
    root.call("RegisterDevice", ProductKey=product, DeviceName="pump-15")
    with WorkerProcess(server, tmp_path / "first") as first:
        standing_still(first)
        number = batch.check(root, product, NAMES)
        wait_until(lambda: first.trap.sprung)
        with WorkerProcess(server, tmp_path / "second") as second:
            assert batch.wait(root, product, number)["Status"] == "CHECK_SUCCESS"
            assert_nothing_changes(first, database)
            assert second.stop() == 0
        standing_still(first)
        root.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=str(number))
        wait_until(lambda: len(first.trap.sprung) == 2)
        with WorkerProcess(server, tmp_path / "third") as third:
            assert batch.wait(root, product, number)["Status"] == "CREATE_SUCCESS"
            assert_nothing_changes(first, database)
            assert third.stop() == 0
        assert first.stop() == 0
        assert "Traceback" not in first.log


def standing_still(worker: WorkerProcess) -> None:
    """Order the worker to stand still once it has claimed a part and has read it."""
    worker.trap.arm(Order(5, start="UPDATE part SET owner", number=signal.SIGSTOP))


def assert_nothing_changes(worker: WorkerProcess, database: str) -> None:
    """Let a worker go on that stands still."""
    before, told = dump(database), worker.log.count("was taken over by another worker")
    worker.trap.disarm()
    worker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: worker.log.count("was taken over by another worker") == told + 1)
    assert dump(database) == before
