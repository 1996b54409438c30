"""Each step of a batch, killed at its first point, its second, and so on, until it passes unkilled."""

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from tests.support.crash.ledger import AUTHENTICATION, Request, new_names, report
from tests.support.crash.site import Site
from tests.support.killer import Order

NOTHING: Final = "$^"
# The other steps go through reads too; to be killed before one is to be killed after what came before it.
READS: Final = f"{AUTHENTICATION}|: SELECT"
WRITES: Final = frozenset(
    {
        "BEGIN IMMEDIATE",
        "COMMIT",
        "after COMMIT",
        "INSERT INTO batch",
        "INSERT INTO block",
        "INSERT INTO certificate",
        "INSERT INTO client_token",
        "INSERT INTO device",
        "DELETE FROM part_names WHERE",
        "INSERT INTO part",
        "INSERT INTO part_names",
        "INSERT INTO product",
        "INSERT INTO refusal",
        "INSERT INTO tally",
        "UPDATE batch SET done",
        "UPDATE batch SET state",
        "UPDATE counter SET value",
        "UPDATE device SET nickname",
        "UPDATE part SET is_done",
        "UPDATE part SET owner",
        "UPDATE part SET step",
    }
)


class Sweep:
    """One step done over and over on a site: killed at its first statement, at its second, and so on to its last."""

    def __init__(self, site: Site, skip: str) -> None:
        self.site = site
        self.product = site.create_product()
        self._certified = site.create_product(AuthType="x509")
        self._skip = skip
        self._position = 0

    def arm(self, start: str = "") -> None:
        self.site.trap.arm(Order(self._position, start, self._skip))

    def run(self, step: Callable[[Self], None]) -> None:
        for self._position in itertools.count(1):
            kills = self.site.kills
            step(self)
            self.site.trap.disarm()
            assert len(self.site.trap.sprung) == self.site.kills <= kills + 1
            self.site.review(self.site.ledger.requests[-3:])
            if self.site.kills == kills:
                return

    def ask(self, names: list[str], **more: Any) -> Request:
        return self.site.ledger.ask(Request(self.product, names, **more))

    def ask_certified(self, names: list[str], **more: Any) -> Request:
        """Ask for devices of an X.509 product."""
        return self.site.ledger.ask(Request(self._certified, names, is_certified=True, **more))

    def check(self, request: Request) -> None:
        """Have its names checked with the trap armed, and go on without."""
        self.arm()
        self.site.submit(request)
        assert self.site.wait(request) == "CHECK_SUCCESS"
        self.site.trap.disarm()
        self.site.fulfil(request)

    def take(self, names: list[str], ask: Callable[..., Request] | None = None) -> None:
        """Register devices of these names."""
        for name in names:
            self.site.fulfil((ask or self.ask)([name], is_batch=False))


def product_is_created(sweep: Sweep) -> None:
    sweep.arm()
    sweep.site.create_product()


def device_is_registered(sweep: Sweep) -> None:
    request = sweep.ask(new_names(1), is_batch=False)
    sweep.arm()
    sweep.site.fulfil(request)


def minted_names_are_registered(sweep: Sweep) -> None:
    request = sweep.ask([], minted=3)
    sweep.arm()
    sweep.site.fulfil(request)


def run_is_checked(sweep: Sweep) -> None:
    """No device has a name between these: the call checks them itself."""
    sweep.check(sweep.ask(new_names(4)))


def names_are_checked(sweep: Sweep) -> None:
    """One device has a name between these: a worker looks for each."""
    first, between, *others = new_names(4)
    sweep.take([between])
    sweep.check(sweep.ask([first, *others]))


def devices_are_created(sweep: Sweep) -> None:
    names = new_names(4)
    request = sweep.ask(names, nicknames={name: f"nick_{name[-1]}" for name in names[1:3]})
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.arm()
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


def check_refuses(sweep: Sweep) -> None:
    """Two names are taken when they are checked."""
    names = new_names(4)
    sweep.take(names[1:3])
    request = sweep.ask(names, ends=frozenset({"CHECK_FAILED"}), may_be_refused=frozenset(names[1:3]))
    sweep.arm(start="CROSS JOIN device")
    sweep.site.fulfil(request)


def creation_refuses(sweep: Sweep) -> None:
    """Two names are taken between the check and the creation."""
    names = new_names(4)
    request = sweep.ask(names, ends=frozenset({"CREATE_FAILED"}), may_be_refused=frozenset(names[1:3]))
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.take(names[1:3])
    sweep.arm(start="INSERT INTO device")
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


def new_secrets(names: list[str]) -> dict[str, str]:
    return {name: uuid4().hex[number:] for number, name in enumerate(names)}


def device_is_imported(sweep: Sweep) -> None:
    """The first one of its product, which needs numbers of its own."""
    names = new_names(1)
    product = sweep.site.create_product()
    request = sweep.site.ledger.ask(Request(product, names, secrets=new_secrets(names), is_batch=False))
    sweep.arm()
    sweep.site.fulfil(request)


def devices_are_imported(sweep: Sweep) -> None:
    names = new_names(4)
    request = sweep.ask(names, secrets=new_secrets(names))
    sweep.arm()
    sweep.site.fulfil(request)


def certified_devices_are_created(sweep: Sweep) -> None:
    request = sweep.ask_certified(new_names(3))
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.arm(start="UPDATE part SET owner")
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


def certified_batch_is_held_back(sweep: Sweep) -> None:
    """One name is taken between the check and the creation: nothing is created."""
    names = new_names(3)
    request = sweep.ask_certified(names, ends=frozenset({"CREATE_FAILED"}), may_be_refused=frozenset(names))
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.take(names[1:2], sweep.ask_certified)
    sweep.arm(start="SAVEPOINT")
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


LANES: Final[list[dict[Callable[[Sweep], None], str]]] = [
    {device_is_registered: NOTHING, creation_refuses: AUTHENTICATION},
    {devices_are_created: AUTHENTICATION, product_is_created: AUTHENTICATION},
    {names_are_checked: AUTHENTICATION, check_refuses: AUTHENTICATION},
    {minted_names_are_registered: AUTHENTICATION, run_is_checked: READS, device_is_imported: READS},
    {devices_are_imported: READS, certified_batch_is_held_back: READS, certified_devices_are_created: READS},
]
"""Steps, and what is not counted in each; a data directory per lane, so that no processor idles."""


def sweep_lane(directory: Path, steps: Mapping[Callable[[Sweep], None], str]) -> Site:
    with Site(directory).start() as site:
        for step, skip in steps.items():
            Sweep(site, skip).run(step)
        site.finish()
        return site


def shape(point: str) -> str:
    """A point without its file and the values in it."""
    words = point.partition(": ")[2].split("=")[0].split()
    return " ".join(words[: 3 if words[0] == "INSERT" else 4])


def test_killed_before_every_statement_and_after_every_commit_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with ThreadPoolExecutor() as pool:
        lanes = [pool.submit(sweep_lane, tmp_path / f"lane{number}", steps) for number, steps in enumerate(LANES)]
    sites = [lane.result() for lane in lanes]
    points = [point for site in sites for point in site.trap.sprung]
    lost_answers = sum(len(site.ledger.lost) for site in sites)
    report(record_testsuite_property, "at a statement", len(points), f"{lost_answers} answers to what was done lost")
    assert sum(site.kills for site in sites) == len(points) >= 100
    assert WRITES - {shape(point) for point in points} == set()
    assert lost_answers >= 3
