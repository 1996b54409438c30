"""Where progress is shown: a bar on a terminal, plain lines elsewhere, nothing beside JSON."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from nameplate.cli.measures import Measure
from nameplate.cli.plain import plain

LINE_SECONDS: Final = 5.0


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
