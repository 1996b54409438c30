"""Whether memory goes on growing while a million devices are registered."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final

from bench.batches import register_all, steady
from bench.calls import ROWS, scattered, sign_check
from bench.figure import Figure
from bench.plan import Plan
from bench.processes import memory
from bench.sites import POSTGRES, SQLITE, Site

_GROUP: Final = "memory"
_LIMIT: Final = 1.1
_AT_ONCE: Final = 8
_POLL: Final = steady(0.05)

Samples = dict[str, list[float]]


def measure(plan: Plan) -> list[Figure]:
    """Measure a server on SQLite, and a server and a worker on PostgreSQL."""
    return [figure for engine in (SQLITE, POSTGRES) for figure in _measure(plan, engine)]


def _measure(plan: Plan, engine: str) -> list[Figure]:
    site = plan.sites.make(engine)
    batches = [scattered(number) for number in range(plan.size(100, 20))]
    every = 0.1 if plan.quick else 0.5
    rounds: dict[str, list[Sequence[float]]] = defaultdict(list)
    for _ in plan.each_round(f"{_GROUP}, {engine}"):
        checks = [sign_check(site.product, names) for names in batches]
        for what, samples in _sample(site, checks, every).items():
            rounds[what].append(samples)
    note = (
        f"{len(batches)} batches of {ROWS:,} random names over HTTP; resident memory every {every} s; the median of "
        "the run's last quarter over that of its second."
    )
    return [
        figure
        for what, found in rounds.items()
        for figure in (
            Figure(_GROUP, f"{engine}, {what}, growth", "", [_growth(one) for one in found], note=note, limit=_LIMIT),
            Figure(_GROUP, f"{engine}, {what}, most", "MiB", [max(one) for one in found]),
        )
    ]


def _sample(site: Site, checks: Sequence[bytes], every: float) -> Samples:
    workers = 1 if site.url else 0
    embedded = {"workers": "0"} if workers else {}
    with site.copy() as copy, copy.serving(**embedded) as server, copy.working(workers) as processes:
        assert server.process is not None
        pids = {"server": server.process.pid} | dict(
            zip(["worker"], [worker.pid for worker in processes], strict=False)
        )
        with _sampled(pids, every) as samples:
            register_all(server.port, copy.product, checks, _AT_ONCE, _POLL)
        return samples


@contextmanager
def _sampled(pids: Mapping[str, int], every: float) -> Iterator[Samples]:
    """Take samples of processes' memory, in MiB, until the end."""
    samples: Samples = {what: [] for what in pids}
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(every):
            for what, pid in pids.items():
                samples[what].append(memory(pid)["VmRSS"])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _growth(samples: Sequence[float]) -> float:
    quarter = max(1, len(samples) // 4)
    return median(samples[-quarter:]) / median(samples[quarter : 2 * quarter])
