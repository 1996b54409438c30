"""Devices per second of the create step alone, against the fastest bare bulk shape of each engine."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from bench import backlog, bare, bare_copy
from bench.calls import KINDS, ROWS
from bench.figure import Figure
from bench.plan import Plan
from bench.sites import POSTGRES, SQLITE, Site

_GROUP: Final = "creation"
_TARGET: Final = 0.7
_WRITERS: Final = (1, 2)

Rates = dict[str, list[float]]


def measure(plan: Plan) -> list[Figure]:
    """Measure both kinds of names on both engines; each round is a new database."""
    return [
        figure
        for kind, names in KINDS.items()
        for measured in (_sqlite, _postgres)
        for figure in measured(plan, kind, [names(number) for number in range(plan.size(40, 4))])
    ]


def bare_rates(
    site: Site, batches: Sequence[Sequence[str]], shapes: Iterable[str] = tuple(bare.SHAPES)
) -> dict[str, float]:
    """Return the rate of bare shapes on SQLite, each into a copy of an empty registry."""
    rates = {}
    for shape in shapes:
        with site.copy() as copy:
            rates[shape] = sum(map(len, batches)) / sum(bare.insert(copy, batches, shape))
    return rates


def copy_rate(site: Site, batches: Sequence[Sequence[str]], writers: int) -> float:
    """Return the rate of bare COPY into a copy of an empty registry on PostgreSQL."""
    with site.copy() as copy:
        return sum(map(len, batches)) / bare_copy.insert(copy, batches, writers)


def fastest(rates: Rates) -> str:
    """Return the shape with the highest median."""
    return max(rates, key=lambda shape: median(rates[shape]))


def _sqlite(plan: Plan, kind: str, batches: Sequence[Sequence[str]]) -> list[Figure]:
    site, waiting = _sites(plan, SQLITE, batches)
    ours: list[float] = []
    shapes: Rates = defaultdict(list)
    for _ in plan.each_round(f"{_GROUP}, {SQLITE}, {kind} names"):
        ours.append(_rate(waiting, batches, 1))
        for shape, rate in bare_rates(site, batches).items():
            shapes[shape].append(rate)
    best = fastest(shapes)
    others = ", ".join(f"{shape} {median(rates):,.0f}" for shape, rates in shapes.items() if shape != best)
    note = f"{_note(batches)} The fastest of several shapes is the baseline; the others ({kind} names): {others}."
    return [Figure(_GROUP, _name(SQLITE, kind, 1), "devices/s", ours, best, shapes[best], _TARGET, note)]


def _postgres(plan: Plan, kind: str, batches: Sequence[Sequence[str]]) -> list[Figure]:
    site, waiting = _sites(plan, POSTGRES, batches)
    ours: dict[int, list[float]] = defaultdict(list)
    bases: dict[int, list[float]] = defaultdict(list)
    for _ in plan.each_round(f"{_GROUP}, {POSTGRES}, {kind} names"):
        for writers in _WRITERS:
            ours[writers].append(_rate(waiting, batches, writers))
            bases[writers].append(copy_rate(site, batches, writers))
    note = f"{_note(batches)} The baseline has as many writers, a process each."
    return [
        Figure(
            _GROUP,
            _name(POSTGRES, kind, writers),
            "devices/s",
            ours[writers],
            bare_copy.COPY,
            bases[writers],
            _TARGET,
            note,
        )
        for writers in _WRITERS
    ]


def _sites(plan: Plan, engine: str, batches: Sequence[Sequence[str]]) -> tuple[Site, Site]:
    """Return an empty registry, and one in which the batches wait."""
    site, waiting = plan.sites.make(engine), plan.sites.make(engine)
    waiting.submit(batches)
    return site, waiting


def _rate(waiting: Site, batches: Sequence[Sequence[str]], processes: int) -> float:
    with waiting.copy() as copy:
        return sum(map(len, batches)) / backlog.create(copy, processes)


def _name(engine: str, kind: str, workers: int) -> str:
    return f"{engine}, {kind} names, {workers} worker{'s' if workers > 1 else ''}"


def _note(batches: Sequence[Sequence[str]]) -> str:
    return (
        f"{len(batches)} batches of {ROWS:,} that wait in CREATE when the workers, a process each, are started; until "
        "all are CREATE_SUCCESS. The baseline is a durable transaction for each batch, its rows made beforehand, into "
        "the same schema with the same settings."
    )
