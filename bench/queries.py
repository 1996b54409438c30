"""Signed status queries per second, against the same server answering a constant to the same load."""

from typing import Final

from bench.batches import check_one, register_one
from bench.calls import get, sign_status
from bench.figure import Figure
from bench.load import Generator, Job
from bench.plan import Plan
from bench.side import Side, measure_side
from bench.sites import SQLITE

_GROUP: Final = "queries"
_CONNECTIONS: Final = 32
_CONSTANT: Final = "GET /healthz"
_WARM_UP: Final = 500


def measure(plan: Plan) -> list[Figure]:
    """Measure both kinds of query and the constant in turn on one server."""
    site = plan.sites.make(SQLITE)
    count = plan.size(6_000, 2_000)
    sides = {"a batch under way": Side(), "a finished batch": Side()}
    constant = Side()
    with site.serving() as server, Generator() as generator:
        found = (check_one(server.port, site.product), register_one(server.port, site.product))
        asked = dict(zip(sides, found, strict=True))

        def queries(apply_id: int, count: int) -> Job:
            requests = [sign_status(site.product, apply_id) for _ in range(count)]
            return Job(server.port, requests, b'"Success":true', _CONNECTIONS)

        generator.run(queries(found[0], _WARM_UP))
        for _ in plan.each_round(_GROUP):
            for what, side in sides.items():
                measure_side(server, generator, queries(asked[what], count), side)
            measure_side(server, generator, Job(server.port, [get("/healthz")] * count, b"ok", _CONNECTIONS), constant)
    return [figure for what, side in sides.items() for figure in _figures(f"status of {what}", side, constant)]


def _figures(name: str, signed: Side, constant: Side) -> list[Figure]:
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
