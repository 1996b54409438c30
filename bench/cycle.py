"""Devices per second of the whole cycle over HTTP: check, poll, register, poll, until CREATE_SUCCESS."""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench import bare, bare_copy
from bench.batches import Poll, register_all, register_one, steady
from bench.calls import KINDS, ROWS, sign_check
from bench.creation import bare_rates, copy_rate, fastest
from bench.figure import Figure
from bench.plan import Plan
from bench.sites import POSTGRES, SQLITE, Site
from tests.support.server import Server

_GROUP: Final = "cycle"
_TARGET: Final = 0.5
_TARGET_FROM: Final = 100_000
_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_QUICK_SIZES: Final = (1_000, 20_000)
_MANY_FROM: Final = 50


class Client(NamedTuple):
    """How many batches a client has in flight, and how it polls each."""

    at_once: int
    poll: Poll


# Often when there is little to do, so that it is the work that is timed. With many batches under way a client that asks
# too seldom leaves the server idle, and one that asks too often is work itself: on PostgreSQL a call costs more than a
# millisecond of some core.
_ALONE: Final = Client(1, steady(0.002))
_FEW: Final = Client(10, Poll(0.02, 0.1))
# In a long run each engine gets the client that suits it: workers on PostgreSQL put together what waits.
_MANY: Final = {SQLITE: _FEW, POSTGRES: Client(20, Poll(0.05, 0.2))}

Batches = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the workers are."""

    engine: str
    workers: int
    is_remote: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        many = "s" if self.workers > 1 else ""
        where = f"worker process{'es' if many else ''}" if self.is_remote else f"embedded worker{many}"
        return f"{self.engine}, {self.workers} {where}"

    @contextmanager
    def running(self, site: Site) -> Iterator[Server]:
        """Run a server with its workers."""
        if not self.is_remote:
            with site.serving(workers=str(self.workers)) as server:
                yield server
            return
        with site.serving(workers="0") as server, site.working(self.workers):
            yield server


_SETUPS: Final = (
    Setup(SQLITE, 1),
    Setup(SQLITE, 2),
    Setup(POSTGRES, 1, is_remote=True),
    Setup(POSTGRES, 2, is_remote=True),
)
# Where the workers are shows in a long run; there it is measured both ways.
_LONG_SETUPS: Final = (*_SETUPS, Setup(POSTGRES, 2))
# The one left out has never been the fastest (see `creation`), and takes the longest.
_SHAPES: Final = tuple(shape for shape in bare.SHAPES if shape != bare.EXECUTEMANY)


def measure(plan: Plan) -> list[Figure]:
    """Measure every size, both kinds of names and every setup; each round is a new registry."""
    sites = {engine: plan.sites.make(engine) for engine in (SQLITE, POSTGRES)}
    return [
        figure
        for size in (_QUICK_SIZES if plan.quick else _SIZES)
        for kind, names in KINDS.items()
        for figure in _Case(size, kind, _batches(names, size)).measure(plan, sites)
    ]


def _batches(names: Callable[[int], list[str]], size: int) -> Batches:
    return [names(number)[: min(ROWS, size)] for number in range(max(1, size // ROWS))]


def _client(engine: str, batches: int) -> Client:
    if batches == 1:
        return _ALONE
    return _MANY[engine] if batches >= _MANY_FROM else _FEW


class _Case:
    """So many devices with names of one kind."""

    def __init__(self, size: int, kind: str, batches: Batches) -> None:
        self._size = size
        self._kind = kind
        self._batches = batches
        self._setups = _LONG_SETUPS if size >= _SIZES[-1] else _SETUPS
        self._ours: dict[Setup, list[float]] = defaultdict(list)
        self._bare: dict[Setup, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def measure(self, plan: Plan, sites: dict[str, Site]) -> list[Figure]:
        """Measure every setup, and its baseline right after it: a machine that others share changes its speed."""
        for _ in plan.each_round(f"{_GROUP}, {self._size:,} devices, {self._kind} names"):
            # Every copy of a site takes them for new; they are signed again before they are out of date.
            checks = {
                engine: [sign_check(site.product, names) for names in self._batches] for engine, site in sites.items()
            }
            for setup in self._setups:
                site = sites[setup.engine]
                self._ours[setup].append(self._cycle(site, setup, checks[setup.engine]))
                for shape, rate in self._bare_rates(site, setup).items():
                    self._bare[setup][shape].append(rate)
        return [self._figure(setup) for setup in self._setups]

    def _bare_rates(self, site: Site, setup: Setup) -> dict[str, float]:
        if setup.engine == SQLITE:
            return bare_rates(site, self._batches, _SHAPES)
        return {bare_copy.COPY: copy_rate(site, self._batches, setup.workers)}

    def _cycle(self, site: Site, setup: Setup, checks: Sequence[bytes]) -> float:
        client = _client(setup.engine, len(checks))
        with site.copy() as copy, setup.running(copy) as server:
            register_one(server.port, copy.product)
            os.sync()
            began = time.perf_counter()
            register_all(server.port, copy.product, checks, *client)
            return self._size / (time.perf_counter() - began)

    def _figure(self, setup: Setup) -> Figure:
        best = fastest(self._bare[setup])
        is_sqlite = setup.engine == SQLITE
        client = _client(setup.engine, len(self._batches))
        note = (
            f"Batches of up to {ROWS:,}, up to {client.at_once} in flight, each polled {client.poll}, on a "
            "server that has registered one before; client, server, workers and database share the cores. "
        )
        note += (
            "SQLite has one writer at a time, and so has its baseline: the fastest of several bare shapes."
            if is_sqlite
            else "The baseline has as many writers as there are workers, a process each."
        )
        return Figure(
            _GROUP,
            f"{self._size:,} devices, {self._kind} names: {setup.name}",
            "devices/s",
            self._ours[setup],
            best,
            self._bare[setup][best],
            _TARGET if self._size >= _TARGET_FROM else None,
            note,
        )
