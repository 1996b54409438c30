"""One measured figure, its baseline, and how the two compare."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured, and where the files go."""

    rounds: int
    quick: bool
    scratch: Path
    say: Callable[[str], None]

    def each_round(self, what: str) -> Iterable[int]:
        """Count the rounds, saying so."""
        for number in range(1, self.rounds + 1):
            self.say(f"{what}: round {number} of {self.rounds}")
            yield number

    def size(self, full: int, quick: int) -> int:
        """Return how much to do: less when a quick run was asked for."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its baseline, one value of each per round.

    The ratio is the figure's over the baseline's for a rate (its unit ends in `/s`) and the baseline's over the
    figure's for a time or a size: more is better. A figure without a baseline is there to be read, not compared.
    """

    group: str
    name: str
    unit: str
    values: Sequence[float]
    baseline: str = ""
    baselines: Sequence[float] = ()
    target: float | None = None
    note: str = ""

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
        """How the two compare in each round."""
        return [self._compare(value, base) for value, base in zip(self.values, self.baselines, strict=True)]

    @property
    def is_met(self) -> bool | None:
        """Whether the ratio reaches its target; None without a target."""
        return None if self.target is None or self.ratio is None else self.ratio >= self.target

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
            "is_met": self.is_met,
            "rounds": {"values": list(self.values), "baselines": list(self.baselines), "ratios": self.ratios},
            "note": self.note or None,
        }

    def _compare(self, value: float, base: float) -> float:
        return value / base if self.unit.endswith("/s") else base / value


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that `percent` per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
