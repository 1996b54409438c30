"""Random names onto five million devices in SQLite: a worker that merges parts, against a transaction for each."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import orjson

from bench import backlog, bare
from bench.calls import ROWS
from bench.figure import Figure
from bench.fill import FREE_NUMBER, Grown
from bench.plan import Plan
from bench.sites import SQLITE
from nameplate.domain.device import first_id
from nameplate.store.database import NewDevices

_GROUP: Final = "merging"
_EXISTING: Final = 5_000_000
_QUICK_EXISTING: Final = 50_000
_BATCHES: Final = 100
_UNMERGED_BATCHES: Final = 8
_TARGET: Final = 3.0
_OUR_OWN: Final = "Nameplate's INSERT, a part each"

Batches = Sequence[Sequence[str]]


def measure(plan: Plan) -> list[Figure]:
    """Grow a table once, and measure onto copies of it."""
    existing, batches = plan.size(_EXISTING, _QUICK_EXISTING), plan.size(_BATCHES, 4)
    grown = Grown(plan.sites.make(SQLITE))
    plan.say(f"{_GROUP}: growing to {existing:,} devices")
    grown.grow(existing)
    ours: list[float] = []
    plain: dict[str, list[float]] = defaultdict(list)
    for _ in plan.each_round(_GROUP):
        ours.append(_merged(grown, grown.names("random", batches)))
        few = plan.size(_UNMERGED_BATCHES, 2)
        plain[bare.EXECUTEMANY].append(_bare(grown, grown.names("random", few)))
        plain[_OUR_OWN].append(_unmerged(grown, grown.names("random", few)))
    note = (
        f"{batches} batches of {ROWS:,} random names wait for a worker that has not merged any before; the baselines "
        "are a durable transaction for each batch."
    )
    return [
        Figure(
            _GROUP,
            f"onto {existing:,} devices, against {what.removeprefix('bare ')}",
            "devices/s",
            ours,
            what,
            rates,
            _TARGET,
            note,
        )
        for what, rates in plain.items()
    ]


def _merged(grown: Grown, batches: Batches) -> float:
    with grown.site.copy() as site:
        site.submit(batches)
        return ROWS * len(batches) / backlog.create(site, 1)


def _bare(grown: Grown, batches: Batches) -> float:
    with grown.site.copy() as site:
        return ROWS * len(batches) / sum(bare.insert(site, batches, bare.EXECUTEMANY, FREE_NUMBER))


def _unmerged(grown: Grown, batches: Batches) -> float:
    with grown.site.copy() as site, site.open() as registry:
        product = registry.store.products.find(site.product)
        assert product is not None
        parts = [
            NewDevices(first_id(number), product.id, len(names), orjson.dumps(names).decode())
            for number, names in enumerate(batches, FREE_NUMBER)
        ]
        database = registry.store.database
        began = time.perf_counter()
        for part in parts:
            with database.transaction() as connection:
                database.bulk.create_devices(connection, [part], registry.clock())
        return ROWS * len(batches) / (time.perf_counter() - began)
