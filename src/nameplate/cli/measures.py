"""How far something is, and how fast it goes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nameplate.cli.plain import duration, size


@dataclass(frozen=True, slots=True)
class Measure:
    """How far something is: so much of so much, unless it is not known of how much."""

    what: str
    done: int
    total: int | None
    is_bytes: bool = False
    rate: float | None = None
    left: float | None = None

    def __str__(self) -> str:
        """Write it for people."""
        amount, unit = (size, "") if self.is_bytes else (_rows, " rows")
        known = amount(self.done) if self.total is None else f"{amount(self.done)} of {amount(self.total)}"
        parts = [f"{known}{unit}"]
        if self.rate:
            parts.append(f"{amount(self.rate)} per second")
        if self.left is not None:
            parts.append(f"{duration(self.left)} left")
        return ", ".join(parts)


def measure(progress: Mapping[str, Any]) -> Measure:
    """Return how far a batch is in what it is doing, from the server's own account of it."""
    rate, left = progress["rows_per_second"], progress["seconds_left"]
    settled = progress["created"] + progress["updated"]
    match progress["stage"]:
        case "uploading":
            return Measure("uploading", progress["file"]["received"], progress["file"]["size"], is_bytes=True)
        case "reading":
            return Measure("reading", progress["rows_read"], None, rate=rate, left=left)
        case "checking":
            return Measure("checking", progress["checked"], progress["total"], rate=rate, left=left)
        case "creating":
            return Measure("creating", settled, settled + progress["to_create"], rate=rate, left=left)
        case "undoing":
            return Measure("undoing", settled, None, rate=rate, left=left)
        case stage:
            return Measure(str(stage), progress["checked"], progress["total"])


class Pace:
    """How fast bytes go, from the first that is seen on."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def at(self, done: int, what: str = "uploading") -> Measure:
        """Return how far it is with so many bytes done."""
        now = self._clock()
        if self._first is None:
            self._first = (now, done)
        began, before = self._first
        rate = (done - before) / (now - began) if now > began and done > before else None
        left = None if rate is None else (self._total - done) / rate
        return Measure(what, done, self._total, is_bytes=True, rate=rate, left=left)


def _rows(number: float) -> str:
    return f"{number:,.0f}"
