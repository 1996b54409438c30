"""What ten million existing devices cost: the rate of creation, and calls that look something up."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import Final

from bench import backlog, bare, bare_copy, lookups
from bench.calls import KINDS, ROWS
from bench.figure import Figure, Point
from bench.fill import FREE_NUMBER, Grown
from bench.plan import Plan
from bench.sites import ENGINES, POSTGRES, SQLITE, Site

_GROUP: Final = "growth"
_LEVELS: Final = (10_000, 100_000, 1_000_000, 5_000_000, 10_000_000)
_QUICK_LEVELS: Final = (10_000, 50_000)
_LOOKUP_TARGET: Final = 1 / 1.5
_IN_PLACE_FROM: Final = 5_000_000

Rates = dict[str, list[float]]


def measure(plan: Plan) -> list[Figure]:
    """Grow a table on each engine once and measure at each level, several samples of everything."""
    return [figure for engine in ENGINES for figure in _Growth(plan, engine).measure()]


class _Growth:
    """One engine's table."""

    def __init__(self, plan: Plan, engine: str) -> None:
        self._plan = plan
        self._engine = engine
        self._grown = Grown(plan.sites.make(engine))
        self._samples = plan.size(5, 2)
        self._bare_parts = 8 if engine == SQLITE else 4
        self._numbers = iter(range(FREE_NUMBER, 2 * FREE_NUMBER, 1000))

    def measure(self) -> list[Figure]:
        """Measure every level."""
        figures: list[Figure] = []
        latencies: dict[int, Rates] = {}
        levels = _QUICK_LEVELS if self._plan.quick else _LEVELS
        for level in levels:
            self._say(level, "growing")
            self._grown.grow(level)
            self._say(level, "looking up")
            calls = self._plan.size(500, 100)
            latencies[level] = lookups.measure(self._grown.site, self._grown.batches, self._samples, calls)
            figures += [self._creation(level, kind) for kind in KINDS]
        return figures + self._lookups(latencies)

    def _say(self, level: int, what: str) -> None:
        self._plan.say(f"{_GROUP}, {self._engine}, {level:,} devices: {what}")

    def _creation(self, level: int, kind: str) -> Figure:
        """Measure the worker and the bare baseline in turn."""
        ours: list[float] = []
        bases: list[float] = []
        parts, bare_parts = self._parts(level), min(self._parts(level), self._bare_parts)
        for sample in range(1, self._samples + 1):
            self._say(level, f"{kind} names, sample {sample} of {self._samples}")
            ours.append(self._worker_rate(level, self._grown.names(kind, parts)))
            bases.append(self._bare_rate(level, self._grown.names(kind, bare_parts)))
        note = (
            f"{self._samples} samples; one worker process, batches that wait in CREATE. The table grows with random "
            "names. On SQLite each sample starts on a copy of it; on PostgreSQL from "
            f"{_IN_PLACE_FROM:,} devices on it is the table itself, which by then is up to 1.2 million larger."
        )
        return Figure(
            _GROUP,
            f"{self._engine}, {kind} names, onto {level:,} devices ({parts} batches)",
            "devices/s",
            ours,
            bare.FROM_JSON if self._engine == SQLITE else bare_copy.COPY,
            bases,
            note=note,
            point=Point(f"{self._engine}, {kind}", level),
        )

    def _parts(self, level: int) -> int:
        """Return how many batches make a sample: few onto a small table, which must not become a large one."""
        if self._engine == POSTGRES and level >= _IN_PLACE_FROM:
            return 8
        most = 64 if self._engine == SQLITE and level > _LEVELS[2] else 32
        return max(4, min(most, level // ROWS // 2))

    def _state(self, level: int) -> AbstractContextManager[Site]:
        """Return the table as it is at this level."""
        if self._engine == POSTGRES and level >= _IN_PLACE_FROM:
            return nullcontext(self._grown.site)
        return self._grown.site.copy()

    def _worker_rate(self, level: int, batches: Sequence[Sequence[str]]) -> float:
        with self._state(level) as site:
            site.submit(batches)
            return ROWS * len(batches) / backlog.create(site, 1)

    def _bare_rate(self, level: int, batches: Sequence[Sequence[str]]) -> float:
        number = next(self._numbers)
        with self._state(level) as site:
            if self._engine == POSTGRES:
                return ROWS * len(batches) / bare_copy.insert(site, batches, 1, number)
            return ROWS * len(batches) / sum(bare.insert(site, batches, bare.FROM_JSON, number))

    def _lookups(self, latencies: dict[int, Rates]) -> list[Figure]:
        least, *_, most = latencies
        figures = []
        for call, values in latencies[most].items():
            course = ", ".join(f"{level:,}: {median(rates[call]):.3f}" for level, rates in latencies.items())
            figures.append(
                Figure(
                    _GROUP,
                    f"{self._engine}, {call}, at {most:,} devices",
                    "ms",
                    values,
                    f"at {least:,} devices",
                    latencies[least][call],
                    _LOOKUP_TARGET,
                    f"Median on one connection, about random devices; ms by existing devices: {course}.",
                )
            )
        return figures
