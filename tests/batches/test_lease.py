"""A worker holds a part for as long as its lease. What it does when it has lost it changes nothing."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest
from sqlalchemy import event

from nameplate.call import Call, Registry
from nameplate.data_dir import database_url
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import IotIds, first_id
from nameplate.leases import Leases
from nameplate.operations.batches import batch_check_device_names, batch_register_device
from nameplate.operations.devices import register_device
from nameplate.server import clock, make_workers, open_registry
from nameplate.settings import Settings
from nameplate.store.database import NewDevices
from nameplate.store.parts import Claim, Flow, LeaseLostError, Turns
from nameplate.worker import Worker
from tests.support.account import Account
from tests.support.crash.audit import AUDIT
from tests.support.disk import dump, execute, read, wait_until

NOW: Final = 1_000_000
LEASE: Final = 1_000
RENEWED: Final = 300
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
        return Call(self.registry, "Test", self.account, Role.ADMIN, "http://127.0.0.1")

    def check_names(self, names: list[str]) -> int:
        """Add a batch of names that only a worker can check, for a device is between them; return its number."""
        register_device(self.call, self.product, f"{names[0]}0")
        return int(batch_check_device_names(self.call, self.product, names)["Data"]["ApplyId"])

    def mint_names(self, count: int) -> int:
        return int(batch_register_device(self.call, self.product, count)["Data"]["ApplyId"])

    def checked_names(self, names: list[str]) -> int:
        """Add a batch of names whose devices are to be created."""
        number = self.check_names(names)
        assert self.worker(NOW).work()
        self.start_creation(number)
        return number

    def start_creation(self, number: int) -> None:
        found = self.registry.store.batches.find(number)
        assert found is not None
        assert self.registry.store.batches.start_creation(found, NOW)

    def worker(self, now: int, iot_ids: IotIds | None = None) -> Worker:
        leases = Leases(self.registry.store, lambda: now, LEASE / 1000)
        registry = replace(self.registry, iot_ids=iot_ids or self.registry.iot_ids, clock=lambda: now)
        return Worker(registry, leases)

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
            self.registry.store.parts.finish(connection, claim, [], NOW)

    def dump(self) -> list[str]:
        return dump(self.url)

    @property
    def url(self) -> str:
        return database_url(self.settings)


@pytest.fixture
def site(registry: Registry, settings: Settings) -> Site:
    account = Account(registry)
    return Site(registry, settings.model_copy(update={"lease": PATIENCE}), account.id, account.product())


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
    site.start_creation(number)
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


def test_a_step_that_takes_longer_than_its_lease_keeps_its_claim(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    number = site.mint_names(3)
    ids = StallingIds(site.registry.iot_ids)
    stalling = replace(site.registry, iot_ids=ids)
    workers = make_workers(stalling, site.settings.model_copy(update={"lease": RENEWED / 1000}), 1)
    workers.start()
    try:
        assert ids.stalled.wait(PATIENCE)
        [(until,)] = read(site.url, "SELECT leased_until FROM part")
        wait_until(lambda: clock() > until)
        assert not site.worker(clock()).work()
        wait_until(lambda: read(site.url, "SELECT leased_until FROM part")[0][0] > until + 2 * RENEWED)
        ids.go.set()
        wait_until(lambda: site.state(number) is State.CREATE_SUCCESS)
    finally:
        ids.go.set()
        workers.stop()
    assert caplog.messages == []


def transactions(registry: Registry) -> list[object]:
    """Grows with every transaction that is committed."""
    committed: list[object] = []
    event.listen(registry.store.database.engine, "commit", committed.append)
    return committed


def test_small_batches_are_done_in_one_transaction(site: Site) -> None:
    numbers = [site.mint_names(3) for _ in range(5)]
    committed = transactions(site.registry)
    assert site.worker(NOW).work()
    assert len(committed) == len(["claim", "create"])
    assert {site.state(number) for number in numbers} == {State.CREATE_SUCCESS}
    assert read(site.url, "SELECT count(*) FROM device") == [(5 * 3,)]


def test_of_small_batches_only_those_whose_claim_is_lost_are_left_to_others(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [site.mint_names(3) for _ in range(5)]
    lost = numbers[2]
    ids = StallingIds(site.registry.iot_ids)
    stalled = threading.Thread(target=site.worker(NOW, ids).work)
    stalled.start()
    assert ids.stalled.wait(PATIENCE)
    execute(site.url, f"UPDATE part SET leased_until = 0 WHERE batch_id = {lost}")  # noqa: S608 (a number)
    [claim] = site.claims("another", NOW)
    ids.go.set()
    stalled.join(PATIENCE)
    states = [site.state(number) for number in numbers]
    assert states == [State.CREATE if number == lost else State.CREATE_SUCCESS for number in numbers]
    assert set(caplog.messages) == {f"Batch {lost} was taken over by another worker; nothing was changed here."}
    site.registry.store.parts.extend([claim], 0)
    assert site.worker(NOW).work()
    assert site.state(lost) is State.CREATE_SUCCESS
    assert read(site.url, "SELECT count(*) FROM device") == [(5 * 3,)]


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
def test_two_workers_never_do_a_part_twice(site: Site, engine: str, *, share_a_store: bool) -> None:
    numbers = [site.mint_names(20) for _ in range(40)]
    numbers += [site.check_names([f"{number}-{row}" for row in range(1000, 1020)]) for number in range(40)]
    execute(site.url, *AUDIT[engine])
    with two_workers(site, share_a_store=share_a_store):
        wait_until(lambda: not read(site.url, "SELECT 1 FROM part WHERE is_done = 0"))
    audit = read(site.url, "SELECT what, batch_id, count(*) FROM audit GROUP BY what, batch_id")
    assert sorted(audit) == sorted((what, number, 1) for what in ("claimed", "done") for number in numbers)
    # And those between the names that were to be checked.
    assert read(site.url, "SELECT count(*) FROM device") == [(40 * 20 + 40,)]
