"""Clients that register devices all the time."""

import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from tests.crash.caller import Caller
from tests.crash.ledger import FINAL, Kind, Request

MOST_ROWS: Final = 10_000
RACE: Final = 40
"""After how many requests clients race for other names."""

_KINDS: Final = {Kind.NAMED: 4, Kind.RACING: 3, Kind.MINTED: 2, Kind.SINGLE: 2, Kind.IMPORTED: 2}


class Gate:
    """Lets clients begin a request, or brings them to rest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_open = True
        self._busy = 0

    @contextmanager
    def passed(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._is_open)
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def close(self, seconds: float) -> bool:
        """Let nobody begin, and wait until everybody has ended."""
        with self._changed:
            self._is_open = False
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._changed.notify_all()


@dataclass
class Pace:
    """How many devices there may be by when."""

    seconds: float
    devices: int
    began: float = field(default_factory=time.monotonic)
    asked: int = 0

    @property
    def is_ahead(self) -> bool:
        # Something may be done at the very beginning.
        passed = (time.monotonic() - self.began) / self.seconds
        return self.asked > self.devices * min(1.0, 0.05 + passed)


class Load:
    """Clients at work, a thread each."""

    def __init__(self, callers: list[Caller], products: list[str], pace: Pace) -> None:
        self.gate = Gate()
        self._pace = pace
        self._products = products
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[caller], name="client") for caller in callers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ended.set()
        self.gate.open()
        for thread in self._threads:
            thread.join()

    def _run(self, caller: Caller) -> None:
        while not self._ended.is_set():
            if self._pace.is_ahead:
                self._ended.wait(0.1)
                continue
            with self.gate.passed():
                if self._ended.is_set():
                    return
                request = caller.ledger.ask(self._choose(caller))
                self._pace.asked += request.count
                try:
                    fulfil(caller, request)
                except (TimeoutError, ValueError, AssertionError) as error:
                    caller.ledger.complain(f"{type(error).__name__}: {error}")

    def _choose(self, caller: Caller) -> Request:
        chance = caller.chance
        [kind] = chance.choices(list(_KINDS), list(_KINDS.values()))
        product = chance.choice(self._products)
        count = 1 if kind is Kind.SINGLE else _some(chance)
        if kind is Kind.RACING:
            stem = f"race{len(caller.ledger.requests) // RACE}"
            return Request(kind, product, count, stem, chance.randint(0, 2 * count))
        # Half of the lists go to a worker to be checked: there are devices between their names.
        is_scattered = kind is Kind.NAMED and chance.random() < 0.5
        return Request(kind, product, count, "" if kind is Kind.MINTED else uuid4().hex[:16], is_scattered=is_scattered)


def _some(chance: random.Random) -> int:
    """How many names: as often up to 100 as over it."""
    return min(MOST_ROWS, int(math.exp(chance.uniform(0, math.log(MOST_ROWS + 1)))))


def fulfil(caller: Caller, request: Request) -> None:
    """Take a request all the way."""
    caller.submit(request)
    if not request.is_batch:
        return
    if request.kind in (Kind.NAMED, Kind.RACING):
        checked = caller.wait(request, "CHECK")
        if checked == "CHECK_SUCCESS":
            about = {"ProductKey": request.product, "ApplyId": str(request.answer)}
            caller.told("BatchRegisterDeviceWithApplyId", **about)
    # After the creation was acknowledged the batch is never again what it was before.
    request.state = caller.wait(request, "CREATE")
    allowed = FINAL if request.kind is Kind.RACING else {"CREATE_SUCCESS"}
    if request.state not in allowed:
        caller.ledger.complain(f"{request} ended in {request.state}")
    caller.look(request)
