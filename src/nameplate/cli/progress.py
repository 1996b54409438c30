"""How far a batch is: a bar on a terminal, plain lines elsewhere, nothing beside JSON."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from nameplate.cli.plain import duration, plain, size

LINE_SECONDS: Final = 5.0


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


class Display(Protocol):
    """Where progress is shown."""

    def show(self, measure: Measure) -> None:
        """Show how far it is."""

    def tell(self, text: str) -> None:
        """Show a line that stays."""


class Silence:
    """Shows nothing."""

    def show(self, measure: Measure) -> None:
        """Show nothing."""

    def tell(self, text: str) -> None:
        """Show nothing."""


class Lines:
    """A line whenever what is done changes, and every few seconds."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._what = ""
        self._shown_at = 0.0
        self._unsaid: Measure | None = None

    def show(self, measure: Measure) -> None:
        """Write a line, if it is time for one."""
        now = self._clock()
        if measure.what == self._what and now - self._shown_at < LINE_SECONDS:
            self._unsaid = measure
            return
        if self._unsaid is not None and measure.what != self._what:
            self._write(f"{self._unsaid.what}: {self._unsaid}\n")
        self._what, self._shown_at, self._unsaid = measure.what, now, None
        self._write(f"{measure.what}: {measure}\n")

    def tell(self, text: str) -> None:
        """Write a line."""
        self._write(f"{plain(text)}\n")


@contextmanager
def displayed(*, silently: bool) -> Iterator[Display]:
    """Yield where progress goes: standard error, so that standard output has only what was asked for."""
    if silently:
        yield Silence()
    elif sys.stderr.isatty():
        from nameplate.cli.bars import bars  # noqa: PLC0415 (Rich takes its time, and is of use on a terminal only)

        with bars() as display:
            yield display
    else:
        yield Lines(_write_now)


def _write_now(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _rows(number: float) -> str:
    return f"{number:,.0f}"
