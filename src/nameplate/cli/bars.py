"""Progress as a bar for each thing that is done, on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from nameplate.cli.measures import Measure
from nameplate.cli.plain import plain


class Bars:
    """A bar for what is being done now, above it those for what was done before."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._what = ""
        self._bar: TaskID | None = None

    def show(self, measure: Measure) -> None:
        """Move the bar, or begin another."""
        if measure.what != self._what or self._bar is None:
            self._finish()
            self._what = measure.what
            self._bar = self._progress.add_task(measure.what, total=measure.total, figures="")
        self._progress.update(self._bar, completed=measure.done, total=measure.total, figures=str(measure))

    def tell(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(escape(plain(text)), highlight=False)

    def _finish(self) -> None:
        """Leave the bar before at its end, where it did not say how long it was."""
        if self._bar is not None:
            done = self._progress.tasks[self._bar].completed
            self._progress.update(self._bar, total=self._progress.tasks[self._bar].total or done or 1)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show bars on standard error."""
    columns = (TextColumn("{task.description:>9}"), BarColumn(30), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(progress)
