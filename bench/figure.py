"""One measured figure, its baseline, and how the two compare."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Point:
    """Where a figure lies in the plot: on which line, at how many existing devices."""

    line: str
    devices: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its baseline, one value of each per round.

    The ratio is the figure's over the baseline's for a rate (its unit ends in `/s`) and the baseline's over the
    figure's for a time or a size: more is better. A figure without a baseline is there to be read, not compared; it may
    have a limit, in its own unit.
    """

    group: str
    name: str
    unit: str
    values: Sequence[float]
    baseline: str = ""
    baselines: Sequence[float] = ()
    target: float | None = None
    note: str = ""
    limit: float | None = None
    point: Point | None = None

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def base(self) -> float | None:
        """The median of the baseline's rounds."""
        return median(self.baselines) if self.baselines else None

    @property
    def ratio(self) -> float | None:
        """How the medians compare."""
        return None if self.base is None else self._compare(self.value, self.base)

    @property
    def ratios(self) -> list[float]:
        """How the two compare in each round; empty without a baseline."""
        if not self.baselines:
            return []
        return [self._compare(value, base) for value, base in zip(self.values, self.baselines, strict=True)]

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio reaches its target, or the value keeps its limit; None without either."""
        if self.limit is not None:
            return self.value <= self.limit
        return None if self.target is None or self.ratio is None else self.ratio >= self.target

    @property
    def aim(self) -> str:
        """What is to be reached, for people."""
        if self.limit is not None:
            return f"≤ {self.limit:g} {self.unit}".rstrip()
        return "" if self.target is None else f"≥ {self.target:.2g}"

    def as_json(self) -> dict[str, Any]:
        """Return everything that is known, rounds included."""
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "baseline_is": self.baseline or None,
            "baseline": self.base,
            "ratio": self.ratio,
            "target_ratio": self.target,
            "limit": self.limit,
            "is_met": self.is_met,
            "point": None if self.point is None else {"line": self.point.line, "devices": self.point.devices},
            "rounds": {"values": list(self.values), "baselines": list(self.baselines), "ratios": self.ratios},
            "note": self.note or None,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the figure that was written as JSON."""
        rounds = found["rounds"]
        return cls(
            found["group"],
            found["name"],
            found["unit"],
            rounds["values"],
            found["baseline_is"] or "",
            rounds["baselines"],
            found["target_ratio"],
            found["note"] or "",
            found["limit"],
            None if found["point"] is None else Point(**found["point"]),
        )

    def _compare(self, value: float, base: float) -> float:
        return value / base if self.unit.endswith("/s") else base / value


def show(value: float) -> str:
    """Write a number for people: three digits, or all of those before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"  # noqa: PLR2004 (four digits and up)


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that `percent` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
