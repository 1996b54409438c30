"""A worker holds a part for as long as its lease. What it does when it has lost it changes nothing."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import pytest

from nameplate.call import Call, Registry
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import IotIds, first_id
from nameplate.operations.batches import batch_check_device_names, batch_register_device
from nameplate.operations.products import create_product
from nameplate.server import clock, make_workers, open_registry
from nameplate.settings import Settings
from nameplate.store import bulk
from nameplate.store.access_keys import NewAccessKey
from nameplate.store.batches import Claim, LeaseLostError
from nameplate.worker import Worker
from tests.support import batch
from tests.support.killer import PROGRAM, Order, Trap
from tests.support.server import Server
from tests.support.signer import Client

NOW: Final = 1_000_000
LEASE: Final = 1_000
NAMES: Final = ["pump-1", "pump-2", "pump-3"]
PATIENCE: Final = 30


@dataclass
class Site:
    """A registry without a server, with a product in it."""

    registry: Registry
    settings: Settings
    account: int
    product: str

    @property
    def call(self) -> Call:
        return Call(self.registry, "Test", self.account, Role.ADMIN)

    def check_names(self, names: list[str]) -> int:
        """Add a batch of names, and return its number."""
        return int(batch_check_device_names(self.call, self.product, names)["Data"]["ApplyId"])

    def mint_names(self, count: int) -> int:
        return int(batch_register_device(self.call, self.product, count)["Data"]["ApplyId"])

    def checked_names(self, names: list[str]) -> int:
        """Add a batch of names whose devices are to be created."""
        number = self.check_names(names)
        assert self.worker(NOW).work()
        assert self.registry.store.batches.start_creation(number)
        return number

    def worker(self, now: int, iot_ids: IotIds | None = None) -> Worker:
        return Worker(self.registry.store, iot_ids or self.registry.iot_ids, lambda: now, LEASE / 1000)

    def claim(self, owner: str, now: int) -> Claim:
        claim = self.registry.store.batches.claim(owner, now, now + LEASE)
        assert claim is not None
        return claim

    def state(self, number: int) -> State:
        found = self.registry.store.batches.find(number)
        assert found is not None
        return found.state

    def finish(self, claim: Claim) -> None:
        """Do what a claim is for."""
        names = claim.names or "[]"
        with self.registry.store.database.transaction() as connection:
            bulk.create_devices(connection, first_id(claim.batch_id), claim.product_id, names, claim.rows, NOW)
            self.registry.store.batches.finish(connection, claim, [])

    def dump(self) -> list[str]:
        return dump(self.settings.data_dir)


@pytest.fixture
def site(data_dir: Path) -> Iterator[Site]:
    settings = Settings(data_dir=data_dir, lease=PATIENCE)
    with open_registry(settings) as registry:
        registry.store.access_keys.put(NewAccessKey("key", "secret", "root", Role.ADMIN), registry.master, NOW)
        key = registry.store.access_keys.find("key")
        assert key is not None
        made = create_product(Call(registry, "CreateProduct", key.account_id, Role.ADMIN), "pumps", 0)
        yield Site(registry, settings, key.account_id, made["ProductKey"])


def dump(data_dir: Path) -> list[str]:
    """Everything in the database."""
    with closing(sqlite3.connect(f"file:{data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def wait_until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def read(data_dir: Path, sql: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(f"file:{data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, values).fetchall()


def test_a_part_is_held_until_its_lease_has_run_out(site: Site) -> None:
    number = site.check_names(NAMES)
    assert site.claim("first", NOW).batch_id == number
    assert site.registry.store.batches.claim("second", NOW + LEASE - 1, NOW + 2 * LEASE) is None
    assert site.claim("second", NOW + LEASE).batch_id == number


def test_an_extended_lease_keeps_the_claim(site: Site) -> None:
    site.check_names(NAMES)
    batches = site.registry.store.batches
    claim = site.claim("first", NOW)
    assert batches.extend(claim, NOW + 5 * LEASE)
    assert batches.claim("second", NOW + 5 * LEASE - 1, NOW + 9 * LEASE) is None
    assert batches.claim("second", NOW + 5 * LEASE, NOW + 9 * LEASE) is not None


def test_a_lost_claim_cannot_be_extended(site: Site) -> None:
    site.check_names(NAMES)
    claim = site.claim("first", NOW)
    site.claim("second", NOW + LEASE)
    before = site.dump()
    assert not site.registry.store.batches.extend(claim, NOW + 9 * LEASE)
    assert site.dump() == before


def test_a_finished_claim_cannot_be_extended(site: Site) -> None:
    site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    site.finish(claim)
    assert not site.registry.store.batches.extend(claim, NOW + 9 * LEASE)


def test_a_late_worker_whose_part_nobody_took_may_still_finish(site: Site) -> None:
    number = site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    assert site.registry.store.batches.is_waiting(NOW + LEASE)
    site.finish(claim)
    assert site.state(number) is State.CREATE_SUCCESS


def test_a_claim_that_another_worker_holds_changes_nothing(site: Site) -> None:
    site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    site.claim("second", NOW + LEASE)
    before = site.dump()
    with pytest.raises(LeaseLostError):
        site.finish(claim)
    assert site.dump() == before


def test_a_claim_whose_part_another_worker_has_done_changes_nothing(site: Site) -> None:
    number = site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    assert site.worker(NOW + LEASE).work()
    before = site.dump()
    with pytest.raises(LeaseLostError):
        site.finish(claim)
    assert site.dump() == before
    assert site.state(number) is State.CREATE_SUCCESS


def test_a_claim_on_a_check_does_not_reach_into_the_creation(site: Site) -> None:
    number = site.check_names(NAMES)
    claim = site.claim("first", NOW)
    assert site.worker(NOW + LEASE).work()
    assert site.registry.store.batches.start_creation(number)
    before = site.dump()
    with pytest.raises(LeaseLostError):
        site.finish(claim)
    assert site.dump() == before
    assert site.state(number) is State.CREATE


class StallingIds(IotIds):
    """Ids whose writer stalls, as a process may at any moment, until it is let go."""

    def __init__(self, ids: IotIds) -> None:
        super().__init__(b"another's")
        self._ids = ids
        self.stalled = threading.Event()
        self.go = threading.Event()

    def device_id(self, number: int) -> str:
        self.stalled.set()
        assert self.go.wait(PATIENCE)
        return self._ids.device_id(number)


def test_a_worker_that_stalled_past_its_lease_changes_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    number = site.mint_names(3)
    ids = StallingIds(site.registry.iot_ids)
    stalled = threading.Thread(target=site.worker(NOW, ids).work)
    stalled.start()
    assert ids.stalled.wait(PATIENCE)
    assert not site.worker(NOW + LEASE - 1).work()
    assert site.worker(NOW + LEASE).work()
    assert site.state(number) is State.CREATE_SUCCESS
    before = site.dump()
    ids.go.set()
    stalled.join(PATIENCE)
    assert site.dump() == before
    assert caplog.messages == [f"Batch {number} was taken over by another worker; nothing was changed here."]


AUDIT: Final = """
CREATE TABLE audit (what TEXT, batch_id INTEGER, first INTEGER, step TEXT);
CREATE TRIGGER claimed AFTER UPDATE OF owner ON part WHEN NEW.owner IS NOT NULL BEGIN
INSERT INTO audit VALUES ('claimed', NEW.batch_id, NEW.first, NEW.step); END;
CREATE TRIGGER done AFTER UPDATE OF is_done ON part WHEN NEW.is_done = 1 BEGIN
INSERT INTO audit VALUES ('done', NEW.batch_id, NEW.first, NEW.step); END;
"""


@contextmanager
def two_workers(site: Site, *, share_a_store: bool) -> Iterator[None]:
    with ExitStack() as stack:
        registries = [site.registry, site.registry]
        if not share_a_store:
            registries[1] = stack.enter_context(open_registry(site.settings))
        pair = [make_workers(registry, site.settings, 1) for registry in registries]
        for workers in pair:
            workers.start()
        try:
            yield
        finally:
            for workers in pair:
                workers.stop()


@pytest.mark.parametrize("share_a_store", [True, False], ids=["one store", "a store each"])
def test_two_workers_never_do_a_part_twice(site: Site, *, share_a_store: bool) -> None:
    numbers = [site.mint_names(20) for _ in range(40)]
    numbers += [site.check_names([f"{number}-{row}" for row in range(1000, 1020)]) for number in range(40)]
    with closing(sqlite3.connect(site.settings.data_dir / "nameplate.db")) as connection:
        connection.executescript(AUDIT)
    with two_workers(site, share_a_store=share_a_store):
        wait_until(lambda: not read(site.settings.data_dir, "SELECT 1 FROM part WHERE is_done = 0"))
    audit = read(site.settings.data_dir, "SELECT what, batch_id, count(*) FROM audit GROUP BY what, batch_id")
    assert sorted(audit) == sorted((what, number, 1) for what in ("claimed", "done") for number in numbers)
    assert read(site.settings.data_dir, "SELECT count(*) FROM device") == [(40 * 20,)]


class WorkerProcess:
    """`nameplate worker` beside a server, with a trap to be killed or stopped in."""

    def __init__(self, server: Server, directory: Path) -> None:
        directory.mkdir()
        self.trap = Trap(directory / "trap")
        self._log = directory / "log"
        settings = {"NAMEPLATE_LEASE": server.settings["lease"], "NAMEPLATE_WORKERS": "1"}
        environment = {**os.environ, **self.trap.environment, **settings}
        command = [*PROGRAM, "worker", "--data-dir", str(server.data_dir)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)

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
def server(data_dir: Path) -> Iterator[Server]:
    """A server that leaves the work to others."""
    running = Server(data_dir, workers="0", lease=str(LEASE / 1000)).start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_a_killed_workers_part_is_taken_over_within_its_lease_and_a_second(
    server: Server, root: Client, product: str, tmp_path: Path
) -> None:
    """The batches keep both workers busy; the first one is killed before it has created its first device."""
    with WorkerProcess(server, tmp_path / "first") as first, WorkerProcess(server, tmp_path / "second") as second:
        first.trap.arm(Order(1, start="INSERT INTO device"))
        numbers = [mint_names(root, product, 10_000) for _ in range(8)]
        assert first.process.wait(PATIENCE) == -signal.SIGKILL
        assert "Traceback" not in first.log, first.log
        [(taken_over, until)] = read(
            server.data_dir, "SELECT batch_id, leased_until FROM part WHERE owner LIKE ?", f"%:{first.process.pid}:%"
        )
        assert batch.wait(root, product, taken_over)["Status"] == "CREATE_SUCCESS"
        assert until <= clock() < until + 1_000
        for number in numbers:
            assert batch.wait(root, product, number)["Status"] == "CREATE_SUCCESS"
        assert read(server.data_dir, "SELECT count(*), count(DISTINCT name) FROM device") == [(80_000, 80_000)]
        assert second.stop() == 0
        assert "Traceback" not in second.log


def mint_names(client: Client, product: str, count: int) -> int:
    return int(client.call("BatchRegisterDevice", ProductKey=product, Count=str(count))["Data"]["ApplyId"])


def test_a_worker_process_that_stood_still_past_its_lease_changes_nothing(
    server: Server, root: Client, product: str, tmp_path: Path
) -> None:
    """Once when it had claimed the check, and once when it had claimed the creation."""
    with WorkerProcess(server, tmp_path / "first") as first:
        standing_still(first)
        number = batch.check(root, product, NAMES)
        wait_until(lambda: first.trap.sprung)
        with WorkerProcess(server, tmp_path / "second") as second:
            assert batch.wait(root, product, number)["Status"] == "CHECK_SUCCESS"
            assert_nothing_changes(first, server.data_dir)
            assert second.stop() == 0
        standing_still(first)
        root.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=str(number))
        wait_until(lambda: len(first.trap.sprung) == 2)
        with WorkerProcess(server, tmp_path / "third") as third:
            assert batch.wait(root, product, number)["Status"] == "CREATE_SUCCESS"
            assert_nothing_changes(first, server.data_dir)
            assert third.stop() == 0
        assert first.stop() == 0
        assert "Traceback" not in first.log


def standing_still(worker: WorkerProcess) -> None:
    """Order the worker to stand still once it has claimed a part."""
    worker.trap.arm(Order(3, start="UPDATE part SET owner", number=signal.SIGSTOP))


def assert_nothing_changes(worker: WorkerProcess, data_dir: Path) -> None:
    """Let a worker go on that stands still."""
    before, told = dump(data_dir), worker.log.count("was taken over by another worker")
    worker.trap.disarm()
    worker.process.send_signal(signal.SIGCONT)
    wait_until(lambda: worker.log.count("was taken over by another worker") == told + 1)
    assert dump(data_dir) == before
