"""Signed status queries per second, against the same server answering a constant to the same load."""

from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.batches import check_one, register_one
from bench.calls import get, sign_status
from bench.figure import Figure, percentile
from bench.load import Generator, Job, Outcome
from bench.plan import Plan
from bench.processes import cpu_seconds
from bench.sites import SQLITE
from tests.support.server import Server

_GROUP: Final = "queries"
_CONNECTIONS: Final = 32
_CONSTANT: Final = "GET /healthz"
_WARM_UP: Final = 500


@dataclass(slots=True)
class _Side:
    """What was measured of one kind of request."""

    outcomes: list[Outcome] = field(default_factory=list)
    server_cores: list[float] = field(default_factory=list)

    def percentiles(self, percent: float) -> list[float]:
        """Return a percentile of each round, in ms."""
        return [percentile(outcome.latencies, percent) * 1000 for outcome in self.outcomes]

    @property
    def rates(self) -> list[float]:
        """Return each round's answers per second."""
        return [outcome.per_second for outcome in self.outcomes]

    @property
    def costs(self) -> list[float]:
        """Return the server's CPU time for an answer in each round, in µs."""
        pairs = zip(self.server_cores, self.rates, strict=True)
        return [cores / rate * 1_000_000 for cores, rate in pairs]

    def shares(self, what: str) -> str:
        """Say how the cores were shared."""
        generator = median(outcome.cpu / outcome.seconds for outcome in self.outcomes)
        return f"{what} {median(self.server_cores):.2f} (generator {generator:.2f})"


def measure(plan: Plan) -> list[Figure]:
    """Measure both kinds of query and the constant in turn on one server."""
    site = plan.sites.make(SQLITE)
    count = plan.size(6_000, 2_000)
    sides = {"a batch under way": _Side(), "a finished batch": _Side()}
    constant = _Side()
    with site.serving() as server, Generator() as generator:
        found = (check_one(server.port, site.product), register_one(server.port, site.product))
        asked = dict(zip(sides, found, strict=True))

        def queries(apply_id: int, count: int) -> Job:
            requests = [sign_status(site.product, apply_id) for _ in range(count)]
            return Job(server.port, requests, b'"Success":true', _CONNECTIONS)

        generator.run(queries(found[0], _WARM_UP))
        for _ in plan.each_round(_GROUP):
            for what, side in sides.items():
                _run(server, generator, queries(asked[what], count), side)
            _run(server, generator, Job(server.port, [get("/healthz")] * count, b"ok", _CONNECTIONS), constant)
    return [figure for what, side in sides.items() for figure in _figures(f"status of {what}", side, constant)]


def _run(server: Server, generator: Generator, job: Job, side: _Side) -> None:
    assert server.process is not None
    pid = server.process.pid
    cpu = cpu_seconds(pid)
    outcome = generator.run(job)
    side.server_cores.append((cpu_seconds(pid) - cpu) / outcome.seconds)
    side.outcomes.append(outcome)


def _figures(name: str, signed: _Side, constant: _Side) -> list[Figure]:
    note = (
        f"QueryBatchRegisterDeviceStatus on {_CONNECTIONS} keep-alive connections, requests signed beforehand; server "
        f"and load generator are a process each, not pinned. Cores used by the server: {signed.shares(name)}, "
        f"{constant.shares('constant')}."
    )
    rate = Figure(_GROUP, name, "calls/s", signed.rates, _CONSTANT, constant.rates, 0.3, note)
    percentiles = [
        Figure(
            _GROUP,
            f"{name}, p{percent}",
            "ms",
            signed.percentiles(percent),
            _CONSTANT,
            constant.percentiles(percent),
        )
        for percent in (50, 99)
    ]
    cost_note = "All threads, system time included; other load on the machine sways it less than it sways the rate."
    cost = Figure(_GROUP, f"{name}, server's CPU time", "µs", signed.costs, _CONSTANT, constant.costs, note=cost_note)
    return [rate, cost, *percentiles]
