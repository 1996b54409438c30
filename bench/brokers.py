"""May this device connect: checks per second, what they cost, what ten million devices change, and a storm."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from statistics import median
from typing import Final

import orjson

from bench.calls import ROWS, get
from bench.figure import Figure
from bench.fill import Grown
from bench.load import Generator, Job
from bench.plan import Plan
from bench.side import Side, measure_side
from bench.sites import ENGINES, SQLITE, Site
from nameplate.call import Registry
from nameplate.domain.device import Status, first_id
from nameplate.store.device_lists import Scope
from tests.support.devices import FieldDevice

_GROUP: Final = "brokers"
_CONNECTIONS: Final = 32
_CONSTANT: Final = "GET /healthz"
_TARGET: Final = 0.35
_LEVELS: Final = (ROWS, 10_000_000)
_QUICK_LEVELS: Final = (ROWS, 5 * ROWS)
_GROWTH_TARGET: Final = 1 / 1.5
_STORM: Final = 10_000
_BROKERS_PATIENCE: Final = 5.0
"""Seconds after which EMQX gives up, unless it is told otherwise."""

_ALLOWED: Final = b'"result":"allow"'
_SAMPLES: Final = 5
_TURNS: Final = 4
_POLL_SECONDS: Final = 0.05


def measure(plan: Plan) -> list[Figure]:
    """Measure each engine: checks against a constant, a storm, and the same checks among many devices."""
    return [figure for engine in ENGINES for figure in _Engine(plan, engine).measure()]


class _Engine:
    """One engine's registry."""

    def __init__(self, plan: Plan, engine: str) -> None:
        self._plan = plan
        self._engine = engine
        self._grown = Grown(plan.sites.make(engine))

    def measure(self) -> list[Figure]:
        least, most = _QUICK_LEVELS if self._plan.quick else _LEVELS
        self._say(f"{least:,} devices")
        self._grown.grow(least)
        figures = [*self._storm(), *self._rates()]
        few = self._questions()
        with self._grown.site.copy() as small:
            self._say(f"growing to {most:,} devices")
            self._grown.grow(most)
            before, after = self._latencies((small, few), (self._grown.site, self._questions()))
        return [*figures, self._growth(least, before, most, after)]

    def _say(self, what: str) -> None:
        self._plan.say(f"{_GROUP}, {self._engine}: {what}")

    def _rates(self) -> list[Figure]:
        """Measure checks of devices that are ONLINE already, and the constant, in turn on one server."""
        count = 2_000
        requests = _requests(self._grown, count)
        checks, constant = Side(), Side()
        with self._grown.site.serving(workers="0") as server, Generator() as generator:
            generator.run(Job(server.port, requests, _ALLOWED, _CONNECTIONS))
            for _ in self._turns():
                measure_side(server, generator, Job(server.port, requests, _ALLOWED, _CONNECTIONS), checks)
                job = Job(server.port, [get("/healthz")] * count, b"ok", _CONNECTIONS)
                measure_side(server, generator, job, constant)
        note = (
            f"EMQX's question about a random device of {ROWS:,}, on {_CONNECTIONS} keep-alive connections; one server "
            f"process. Cores used by the server: {checks.shares('checks')}, {constant.shares('constant')}."
        )
        name, target = f"{self._engine}, checks", _TARGET if self._engine == SQLITE else None
        figures = [Figure(_GROUP, name, "checks/s", checks.rates, _CONSTANT, constant.rates, target, note)]
        figures.append(Figure(_GROUP, f"{name}, server's CPU time", "µs", checks.costs, _CONSTANT, constant.costs))
        for percent in (50, 99):
            values, base = checks.percentiles(percent), constant.percentiles(percent)
            figures.append(Figure(_GROUP, f"{name}, p{percent}", "ms", values, _CONSTANT, base))
        return figures

    def _turns(self) -> Iterator[int]:
        """Count short turns, several a round: what else happens on the machine then meets both sides."""
        for number in self._plan.each_round(f"{_GROUP}, {self._engine}"):
            yield from [number] * _TURNS

    def _questions(self) -> list[bytes]:
        return _requests(self._grown, self._plan.size(1_000, 200) * (_SAMPLES + 1))

    def _latencies(self, few: tuple[Site, Sequence[bytes]], many: tuple[Site, Sequence[bytes]]) -> list[list[float]]:
        """Return the median of every sample in ms, each of other devices, on one connection; in turn of either site."""
        found: list[list[float]] = [[], []]
        with few[0].serving(workers="0") as one, many[0].serving(workers="0") as other, Generator() as generator:
            for sample in range(_SAMPLES + 1):
                for place, (server, requests) in enumerate(((one, few[1]), (other, many[1]))):
                    some = requests[sample :: _SAMPLES + 1]
                    seconds = generator.run(Job(server.port, some, _ALLOWED, 1)).latencies
                    found[place].append(median(seconds) * 1000)
        return [medians[1:] for medians in found]

    def _growth(self, least: int, before: Sequence[float], most: int, after: Sequence[float]) -> Figure:
        name, base = f"{self._engine}, a check among {most:,} devices, median", f"among {least:,} devices"
        note = "On one connection, about random devices."
        return Figure(_GROUP, name, "ms", after, base, before, _GROWTH_TARGET, note)

    def _storm(self) -> list[Figure]:
        """Let devices that have never connected do so at once, each asked about on a connection of its own."""
        slowest: list[float] = []
        seconds: list[float] = []
        online: list[float] = []
        for _ in self._plan.each_round(f"{_GROUP}, {self._engine}, storm"):
            with _many_files(), self._grown.site.copy() as site, site.open() as registry:
                requests = [_ask(device) for device in _devices(registry, self._grown.batches[:1], range(_STORM))]
                with site.serving(workers="0") as server, Generator() as generator:
                    began = time.perf_counter()
                    outcome = generator.run(Job(server.port, requests, _ALLOWED, _STORM))
                    online.append(_wait_until_online(registry, site, began) - (began + outcome.seconds))
                    slowest.append(max(outcome.latencies))
                    seconds.append(outcome.seconds)
        note = f"{_STORM:,} connections, a first connection of a device on each; every answer has to let it in."
        name = f"{self._engine}, a storm of {_STORM:,} first connections"
        return [
            Figure(_GROUP, f"{name}, the slowest answer", "s", slowest, limit=_BROKERS_PATIENCE, note=note),
            Figure(_GROUP, f"{name}, until all are in", "s", seconds),
            Figure(
                _GROUP, f"{name}, until all are ONLINE in the database", "s", online, note="From the first answer on."
            ),
        ]


def _requests(grown: Grown, count: int) -> list[bytes]:
    chance = Random(count)  # noqa: S311 (the same ones every time)
    with grown.site.open() as registry:
        return [
            _ask(next(_devices(registry, [chance.choice(grown.batches)], [chance.randrange(ROWS)])))
            for _ in range(count)
        ]


def _devices(registry: Registry, batches: Sequence[int], rows: Sequence[int]) -> Iterator[FieldDevice]:
    for apply_id in batches:
        for row in rows:
            device = registry.store.applicants.get(first_id(apply_id) + row)
            assert device is not None
            yield FieldDevice(device.product_key, device.name, device.open_secret(registry.master))


def _ask(device: FieldDevice) -> bytes:
    """Return the question whether a device may connect, as EMQX asks it."""
    body = {"clientid": device.client_id("bench", timestamp=1), "username": device.username, "peerhost": "10.0.0.1"}
    content = orjson.dumps({**body, "password": device.password("bench", timestamp=1)})
    head = (
        "POST /brokers/emqx/authenticate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _wait_until_online(registry: Registry, site: Site, began: float) -> float:
    """Wait until the whole storm is ONLINE in the database, and return when that was."""
    product = registry.store.products.find(site.product)
    assert product is not None
    scope = Scope(product.account_id, product.id)
    while registry.store.device_lists.count_status(scope, Status.ONLINE) < _STORM:
        assert time.perf_counter() - began < 10 * _BROKERS_PATIENCE
        time.sleep(_POLL_SECONDS)
    return time.perf_counter()


@contextmanager
def _many_files() -> Iterator[None]:
    """Allow this process, and those that it starts, a file for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
