"""One run: load and chaos for a while, rest and check now and then, and everything once more at the end."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from tests.crash.caller import Caller
from tests.crash.chaos import Chaos
from tests.crash.checker import Findings, check, is_unfinished
from tests.crash.ledger import Kind, Ledger, Request
from tests.crash.load import Load, Pace
from tests.crash.members import Member
from tests.crash.topology import Topology

CLIENTS: Final = 6
PRODUCTS: Final = 3
REST_SECONDS: Final = 300
SAMPLE: Final = 50


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    engine: str
    seconds: float
    seed: int
    devices: int = 1_000_000
    """About how many are registered at most; fewer if the machine is slow."""

    lease: float = 2.0
    workers: int = 4
    """Worker processes on PostgreSQL."""

    least_kills: int = 0
    """It goes on until there were so many, however slow the machine is."""

    checked_every: float = 180.0


@dataclass
class Outcome:
    """What was done, and what was found."""

    plan: Plan
    seconds: float = 0
    checks: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    batches: int = 0
    devices: int = 0
    racing_batches: int = 0
    single_devices: int = 0
    calls_repeated: int = 0
    claims_taken_over: int = 0
    secrets_shown: int = 0
    lost_batches: int = 0
    duplicate_names: int = 0
    duplicate_ids: int = 0
    changed_secrets: int = 0
    stack_traces: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        zeros = (self.lost_batches, self.duplicate_names, self.duplicate_ids, self.changed_secrets)
        return not any(zeros) and not self.wrong

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"all_kills": sum(self.kills.values()), "is_right": self.is_right}


def run(plan: Plan, directory: Path, say: Callable[[str], None]) -> Outcome:
    """Do it, in a directory that holds everything there is of it."""
    ledger = Ledger(directory / "ledger.db")
    try:
        with Topology(directory, plan.engine, plan.lease, plan.workers) as topology:
            return _Run(plan, topology, ledger, say).run()
    finally:
        ledger.close()


class _Run:
    def __init__(self, plan: Plan, topology: Topology, ledger: Ledger, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._topology = topology
        self._ledger = ledger
        self._say = say
        self._chance = random.Random(plan.seed)  # noqa: S311 (not a secret)
        self._callers = [self._caller() for _ in range(CLIENTS)]
        self._outcome = Outcome(plan)
        self._chaos = Chaos(topology, ledger, plan.seed)

    def run(self) -> Outcome:
        began = time.monotonic()
        products = [self._create_product() for _ in range(PRODUCTS)]
        load = Load(self._callers, products, Pace(self._plan.seconds, self._plan.devices))
        load.start()
        try:
            self._disturb(load, began + self._plan.seconds)
        finally:
            self._chaos.stop()
            load.end()
        self._wait_for_rest()
        self._review(self._ledger.requests)
        self._repeat(self._ledger.requests)
        self._check()
        self._outcome.seconds = round(time.monotonic() - began, 1)
        self._end()
        return self._summary()

    def _disturb(self, load: Load, end: float) -> None:
        while True:
            self._chaos.start()
            rest_at = min(end, time.monotonic() + self._plan.checked_every)
            while self._goes_on(rest_at) and not self._ledger.wrong:
                time.sleep(0.1)
            self._chaos.stop()
            # What is nearly over is checked at the end.
            if self._ledger.wrong or time.monotonic() > end - 0.2 * self._plan.checked_every:
                return
            if not load.gate.close(REST_SECONDS):
                self._ledger.complain(f"clients did not come to rest in {REST_SECONDS} s")
                return
            self._wait_for_rest()
            self._review(self._sample())
            self._check()
            load.gate.open()

    def _goes_on(self, rest_at: float) -> bool:
        return time.monotonic() < rest_at or sum(self._chaos.kills.values()) < self._plan.least_kills

    def _wait_for_rest(self) -> None:
        """Wait until nothing is unfinished."""
        end = time.monotonic() + REST_SECONDS
        while is_unfinished(self._topology.url):
            if time.monotonic() > end:
                self._ledger.complain(f"batches were not finished in {REST_SECONDS} s")
                return
            time.sleep(0.1)

    def _check(self) -> None:
        found = check(self._topology.url, self._ledger)
        self._ledger.wrong += found.wrong
        outcome = self._outcome
        outcome.checks += 1
        outcome.batches, outcome.devices, outcome.claims_taken_over = found.batches, found.devices, found.takeovers
        outcome.lost_batches += found.lost_batches
        outcome.duplicate_names += found.duplicate_names
        outcome.duplicate_ids += found.duplicate_ids
        self._say(_line(sum(self._chaos.kills.values()), found, len(self._ledger.wrong)))

    def _review(self, requests: list[Request]) -> None:
        """Ask over the API whether all that was told is still so."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            shares = [requests[number::CLIENTS] for number in range(CLIENTS)]
            list(pool.map(self._review_share, self._callers, shares))

    def _review_share(self, caller: Caller, requests: list[Request]) -> None:
        for request in requests:
            if request.answer is None or not request.state:
                continue
            try:
                if request.is_batch and caller.status(request) != request.state:
                    self._ledger.complain(f"{request} is in another state")
                caller.look(request)
            except (TimeoutError, ValueError) as error:
                self._ledger.complain(f"{request}: {error}")

    def _repeat(self, requests: list[Request]) -> None:
        """Ask for some once more, with the same ClientToken: nothing more is done."""
        for request in self._chance.sample(requests, min(SAMPLE, len(requests))):
            try:
                self._callers[0].submit(request)
            except (TimeoutError, ValueError) as error:
                self._ledger.complain(f"asked again for {request}: {error}")

    def _sample(self) -> list[Request]:
        requests = self._ledger.requests
        return self._chance.sample(requests, min(SAMPLE, len(requests)))

    def _end(self) -> None:
        """End everything in good order."""
        members = self._topology.members
        for member, code in zip(members, self._topology.for_each(Member.stop, members), strict=True):
            if code:
                self._ledger.complain(f"{member.name} ended with {code}")
            self._outcome.stack_traces += member.log.count("Traceback")

    def _summary(self) -> Outcome:
        outcome, ledger = self._outcome, self._ledger
        outcome.kills = dict(sorted(self._chaos.kills.items()))
        outcome.calls_repeated = ledger.repeats
        outcome.racing_batches = sum(request.kind is Kind.RACING for request in ledger.requests)
        outcome.single_devices = sum(request.kind is Kind.SINGLE for request in ledger.requests)
        outcome.secrets_shown = ledger.secrets
        outcome.changed_secrets = len(ledger.changed_secrets)
        if ledger.shared_secrets:
            ledger.complain(f"{ledger.shared_secrets} secrets are those of several devices")
        outcome.wrong = (ledger.changed_secrets + ledger.wrong)[:50]
        return outcome

    def _create_product(self) -> str:
        answer = self._callers[0].told("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")
        return str(answer["ProductKey"])

    def _caller(self) -> Caller:
        return Caller(self._topology, self._ledger, random.Random(self._chance.random()))  # noqa: S311 (not a secret)


def _line(kills: int, found: Findings, wrong: int) -> str:
    zeros = f"{found.lost_batches} lost, {found.duplicate_names + found.duplicate_ids} double"
    return f"{kills} kills, {found.batches} batches, {found.devices} devices: {zeros}, {wrong} wrong"
