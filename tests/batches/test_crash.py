"""The server is killed between any two SQL statements, again and again on one data directory.

What a client was told stays true, and what it asks for again is done once. Its clients keep a ledger of everything
they asked for and were told; the checker compares that with the database's file and with the API's answers.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from tests.support.crash.ledger import AUTHENTICATION, FINAL, Request, new_names, report
from tests.support.crash.site import Site
from tests.support.killer import Order

PATIENCE: Final = 30
FIRST_START: Final = [
    Order(1, "CREATE TABLE device"),
    Order(1, "INSERT INTO alembic_version"),
    Order(3, "INSERT INTO alembic_version"),
    Order(1, "CREATE TABLE nonce"),
    Order(1, "INSERT INTO installation"),
    Order(4, "INSERT INTO installation"),
    Order(2, "INSERT INTO account"),
    Order(1, "INSERT INTO access_key"),
    Order(3, "INSERT INTO access_key"),
]


@dataclass
class Load:
    """Clients that ask for things at the same time, some of them for the same names."""

    site: Site
    product: str
    shared: list[str]
    ended: Event = field(default_factory=Event)
    broken: Event = field(default_factory=Event)

    def wait_for_restart(self) -> None:
        """What a client does when its connection is lost."""
        assert not self.broken.is_set()
        time.sleep(0.02)

    def run_client(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (not a secret)
        while not self.ended.is_set():
            self.site.fulfil(self.site.ledger.ask(self._choose(chance)))

    def _choose(self, chance: random.Random) -> Request:
        kind = chance.choice(["names", "contested", "minted", "device"])
        if kind == "minted":
            return Request(self.product, minted=chance.randint(1, 30))
        if kind == "device":
            return Request(self.product, new_names(1), is_batch=False)
        names = new_names(chance.randint(1, 30))
        if kind == "names":
            return Request(self.product, names)
        contested = chance.sample(self.shared, 3)
        return Request(self.product, names + contested, ends=FINAL, may_be_refused=frozenset(contested))

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        with ThreadPoolExecutor() as pool:
            futures = [pool.submit(self.run_client, seed) for seed in range(clients)]
            try:
                yield
            except BaseException:
                self.broken.set()
                raise
            finally:
                self.ended.set()
                for future in futures:
                    future.result()


def kill_at_a_statement(site: Site, chance: random.Random) -> None:
    site.trap.arm(Order(chance.randint(1, 150)))
    wait_for_end(site)
    site.revive()


def kill_at_a_moment(site: Site, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.05, 0.5))
    site.server.kill()
    site.revive()


def kill_while_numbers_are_reserved(site: Site) -> None:
    """A process reserves batch numbers once, when it is first asked for a batch."""
    reserving = "counter.name = 'batch'"
    site.server.kill()
    for position in (1, 2, 3):
        site.revive(Order(position, reserving, AUTHENTICATION))
        wait_for_end(site)
    site.revive()


def wait_for_end(site: Site) -> None:
    assert site.server.process is not None
    assert site.server.process.wait(PATIENCE) == -signal.SIGKILL


def test_killed_under_load_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(11)  # noqa: S311 (not a secret)
    with Site(tmp_path / "site", workers="2").start() as site:
        load = Load(site, site.create_product(), new_names(100))
        site.lost_connection = load.wait_for_restart
        with load.running(clients=4):
            for kill in [kill_at_a_statement, kill_at_a_moment] * 4:
                kill(site, chance)
            kill_while_numbers_are_reserved(site)
        site.finish()
    report(record_testsuite_property, "under load", site.kills, f"{len(site.ledger.requests)} requests")
    assert site.kills == 12
    assert {request.ended for request in site.ledger.requests} >= {"CREATE_SUCCESS", "CHECK_FAILED"}


def test_killed_during_its_first_start_it_starts_the_next_time(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with Site(tmp_path / "site") as site:
        for order in FIRST_START:
            site.trap.arm(order)
            with pytest.raises(RuntimeError, match="ended with -9"):
                site.start()
            assert site.server.stop() == -signal.SIGKILL
        site.trap.disarm()
        site.start()
        site.fulfil(site.ledger.ask(Request(site.create_product(), new_names(3))))
        site.finish()
    points = site.trap.sprung
    report(record_testsuite_property, "during the first start", len(points), "one data directory")
    assert len(points) == len(FIRST_START)
