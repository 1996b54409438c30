"""How long ten names of one account take while a million rows of another are worked on."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from bench.batches import register, steady
from bench.calls import ROWS, Connection, Key, scattered, sign, sign_check
from bench.figure import Figure
from bench.plan import Plan
from bench.sites import ENGINES, Site

_GROUP: Final = "fairness"
_NAMES: Final = 10
_WORKERS: Final = 2
_POLL_SECONDS: Final = 0.002
_MOST_SMALL: Final = 400


@dataclass(frozen=True, slots=True)
class _Other:
    """The account with the small batches: its key and its product."""

    key: Key
    product: str


def measure(plan: Plan) -> list[Figure]:
    """Measure both engines; each round is a new registry in which the large account's parts wait."""
    return [figure for engine in ENGINES for figure in _measure(plan, engine)]


def _measure(plan: Plan, engine: str) -> list[Figure]:
    site = plan.sites.make(engine)
    other = _add_account(site)
    parts = plan.size(100, 20)
    plan.say(f"{_GROUP}, {engine}: leaving {parts} parts to be created")
    site.submit([scattered(number) for number in range(parts)])
    found: dict[str, list[float]] = defaultdict(list)
    for _ in plan.each_round(f"{_GROUP}, {engine}"):
        with site.copy() as copy:
            times, seconds = _compete(copy, other)
        found["median"].append(median(times) * 1000)
        found["longest"].append(max(times) * 1000)
        found["part"].append(seconds * _WORKERS / parts * 1000)
    note = (
        f"Batches of {_NAMES} names, one after the other, from the call to CREATE_SUCCESS, for as long as {parts} "
        f"parts of {ROWS:,} random names of another account are being created; {_WORKERS} embedded workers. The "
        "baseline is what one part of the other account keeps a worker busy for, on average; a small batch waits for "
        "two turns, to be checked and to be created."
    )
    return [
        Figure(_GROUP, f"{engine}, {what}", "ms", found[what], "one part", found["part"], note=note)
        for what in ("median", "longest")
    ]


def _add_account(site: Site) -> _Other:
    with site.serving(workers="0") as server:
        client = server.key("admin", "other")
        key = Key(client.key_id, client.secret)
        with Connection(server.port) as connection:
            made = connection.call(sign("CreateProduct", {"ProductName": "small", "NodeType": "0"}, key))
        return _Other(key, str(made["ProductKey"]))


def _compete(site: Site, other: _Other) -> tuple[list[float], float]:
    """Return what each small batch took, and how long the large account's parts took altogether, in seconds."""
    small = replace(site, product=other.product)
    checks = [
        sign_check(small.product, [f"small-{batch}-{name}" for name in range(_NAMES)], other.key)
        for batch in range(_MOST_SMALL)
    ]
    with site.unfinished() as unfinished, site.serving(workers=str(_WORKERS)) as server:
        # The workers have begun a few milliseconds before the server said that it is ready.
        began = time.perf_counter()
        with Connection(server.port) as connection:
            times = _register_while(connection, other, checks, unfinished)
        while unfinished():
            time.sleep(_POLL_SECONDS)
        return times, time.perf_counter() - began


def _register_while(
    connection: Connection, other: _Other, checks: list[bytes], unfinished: Callable[[], int]
) -> list[float]:
    times: list[float] = []
    for check in checks:
        timing = register(connection, other.product, check, steady(_POLL_SECONDS), other.key)
        if times and not unfinished():
            break
        times.append(timing.total)
    return times
