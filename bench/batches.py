"""Batches as a client drives them: submit, poll until checked, register, poll until created."""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bench.calls import ROOT, ROWS, Connection, Key, sign, sign_check, sign_status

_REFUSED: Final = ("CHECK_FAILED", "CREATE_FAILED")


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one batch took, in seconds: the call that submits it, and everything from there to CREATE_SUCCESS."""

    apply_id: int
    submit: float
    total: float


class Poll(NamedTuple):
    """How long a client pauses before it asks again, in seconds: each time half as long again as before."""

    first: float
    longest: float

    def __str__(self) -> str:
        first, longest = (f"{seconds * 1000:.0f} ms" for seconds in self)
        return f"every {first}" if first == longest else f"after {first} and then ever more seldom, up to {longest}"

    def pauses(self) -> Iterator[float]:
        """Yield one pause after another, without end."""
        pause = self.first
        while True:
            yield pause
            pause = min(1.5 * pause, self.longest)


def steady(seconds: float) -> Poll:
    """Pause for the same time each time."""
    return Poll(seconds, seconds)


def register(connection: Connection, product: str, check: bytes, poll: Poll, key: Key = ROOT) -> Timing:
    """Take one batch, whose first call is signed already, to CREATE_SUCCESS."""
    began = time.perf_counter()
    apply_id = int(connection.call(check)["Data"]["ApplyId"])
    submitted = time.perf_counter()
    _wait(lambda: connection.call(sign_status(product, apply_id, key)), "CHECK_SUCCESS", poll)
    connection.call(sign("BatchRegisterDeviceWithApplyId", {"ProductKey": product, "ApplyId": str(apply_id)}, key))
    _wait(lambda: connection.call(sign_status(product, apply_id, key)), "CREATE_SUCCESS", poll)
    return Timing(apply_id, submitted - began, time.perf_counter() - began)


def register_all(port: int, product: str, checks: Sequence[bytes], at_once: int, poll: Poll) -> list[Timing]:
    """Take every batch to CREATE_SUCCESS, so many at once, each on a connection that is kept."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for check in checks:
        waiting.put(check)

    def work() -> list[Timing]:
        timings: list[Timing] = []
        with Connection(port) as connection:
            while True:
                try:
                    check = waiting.get_nowait()
                except queue.Empty:
                    return timings
                timings.append(register(connection, product, check, poll))

    with ThreadPoolExecutor(at_once) as pool:
        workers = [pool.submit(work) for _ in range(at_once)]
        return [timing for worker in workers for timing in worker.result()]


def check_one(port: int, product: str) -> int:
    """Check one batch of a few names and return its ApplyId: a batch that is under way, to be asked about."""
    with Connection(port) as connection:
        check = sign_check(product, [f"first-{number:03}" for number in range(10)])
        apply_id = int(connection.call(check)["Data"]["ApplyId"])
        _wait(lambda: connection.call(sign_status(product, apply_id)), "CHECK_SUCCESS", steady(0.01))
        return apply_id


def register_one(port: int, product: str) -> int:
    """Register one whole batch and return its ApplyId: a batch that is finished, to be asked about."""
    with Connection(port) as connection:
        check = sign_check(product, [f"second-{number:05}" for number in range(ROWS)])
        return register(connection, product, check, steady(0.01)).apply_id


def _wait(ask: Callable[[], dict[str, Any]], state: str, poll: Poll) -> None:
    for pause in poll.pauses():
        time.sleep(pause)
        found = ask()["Data"]["Status"]
        if found == state:
            return
        if found in _REFUSED:
            message = f"A batch ended in {found}."
            raise RuntimeError(message)
