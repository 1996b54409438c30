"""A worker holds a part for as long as its lease. What it does when it has lost it changes nothing."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from nameplate.call import Call, Registry
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import IotIds, first_id
from nameplate.leases import Leases
from nameplate.operations.batches import batch_check_device_names, batch_register_device
from nameplate.operations.products import create_product
from nameplate.server import make_workers, open_registry
from nameplate.settings import Settings
from nameplate.store.access_keys import NewAccessKey
from nameplate.store.database import NewDevices
from nameplate.store.parts import Claim, Flow, LeaseLostError, Turns
from nameplate.worker import Worker
from tests.support.disk import dump, read, wait_until

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
        assert self.registry.store.batches.start_creation(number, NOW)
        return number

    def worker(self, now: int, iot_ids: IotIds | None = None) -> Worker:
        leases = Leases(self.registry.store, lambda: now, LEASE / 1000)
        return Worker(self.registry.store, iot_ids or self.registry.iot_ids, lambda: now, leases)

    def claim(self, owner: str, now: int) -> Claim:
        [claim] = self.claims(owner, now)
        return claim

    def claims(self, owner: str, now: int) -> list[Claim]:
        """Claim what is waiting at a time."""
        flow = self.registry.store.parts.next_flow(Turns(), now)
        return [] if flow is None else self.registry.store.parts.claim(owner, flow, now, now + LEASE)

    def state(self, number: int) -> State:
        found = self.registry.store.batches.find(number)
        assert found is not None
        return found.state

    def finish(self, claim: Claim) -> None:
        """Do what a claim is for."""
        names = claim.names or "[]"
        with self.registry.store.database.transaction() as connection:
            devices = NewDevices(first_id(claim.batch_id), claim.product_id, claim.rows, names)
            self.registry.store.database.bulk.create_devices(connection, [devices], NOW)
            self.registry.store.parts.finish(connection, claim, [])

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


def test_a_part_is_held_until_its_lease_has_run_out(site: Site) -> None:
    number = site.check_names(NAMES)
    assert site.claim("first", NOW).batch_id == number
    assert site.claims("second", NOW + LEASE - 1) == []
    assert site.claim("second", NOW + LEASE).batch_id == number


def test_an_extended_lease_keeps_the_claim(site: Site) -> None:
    site.check_names(NAMES)
    claim = site.claim("first", NOW)
    assert site.registry.store.parts.extend([claim], NOW + 5 * LEASE) == 1
    assert site.claims("second", NOW + 5 * LEASE - 1) == []
    assert site.claims("second", NOW + 5 * LEASE) != []


def test_a_lost_claim_cannot_be_extended(site: Site) -> None:
    site.check_names(NAMES)
    claim = site.claim("first", NOW)
    site.claim("second", NOW + LEASE)
    before = site.dump()
    assert site.registry.store.parts.extend([claim], NOW + 9 * LEASE) == 0
    assert site.dump() == before


def test_a_finished_claim_cannot_be_extended(site: Site) -> None:
    site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    site.finish(claim)
    assert site.registry.store.parts.extend([claim], NOW + 9 * LEASE) == 0


def test_a_late_worker_whose_part_nobody_took_may_still_finish(site: Site) -> None:
    number = site.checked_names(NAMES)
    claim = site.claim("first", NOW)
    assert site.registry.store.parts.next_flow(Turns(), NOW + LEASE) == Flow(site.account, 1)
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
    assert site.registry.store.batches.start_creation(number, NOW)
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
