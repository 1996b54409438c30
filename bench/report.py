"""The table on the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figure import Figure, show
from bench.results import Group


def print_table(console: Console, groups: Iterable[Group]) -> None:
    """Print every figure beside its baseline, and below what the notes say."""
    table = Table(caption_justify="left")
    for heading in ("figure", "value", "baseline", "ratio", "rounds", "target", ""):
        table.add_column(heading, justify="left" if heading in {"figure", ""} else "right")
    notes: list[str] = []
    for group in groups:
        table.caption = _caption(group.machine)
        table.add_section()
        table.add_row(f"[bold]{group.name}[/]")
        for figure in group.figures:
            table.add_row(*_row(figure, _number(figure.note, notes)))
    console.print(table)
    for number, note in enumerate(notes, start=1):
        console.print(f" {number}  {note}", style="dim", highlight=False)


def _row(figure: Figure, note: str) -> list[str]:
    spread = figure.ratios
    return [
        f"{figure.name}{note}",
        f"{show(figure.value)} {figure.unit}",
        "" if figure.base is None else f"{show(figure.base)} {figure.unit}\n[dim]{figure.baseline}[/]",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        f"[dim]{min(spread):.2f}…{max(spread):.2f}[/]" if spread else "",
        figure.aim,
        {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.is_met],
    ]


def _number(note: str, notes: list[str]) -> str:
    if not note:
        return ""
    if note not in notes:
        notes.append(note)
    return f" [dim]({notes.index(note) + 1})[/]"


def _caption(about: Mapping[str, Any]) -> str:
    return (
        f"{about['cpu']}, {about['usable_cores']} of {about['cores']} cores; Python {about['python']}, SQLite "
        f"{about['sqlite']}; one fsync {about['fsync_ms']} ms. Medians of the rounds; the ratio is how many times "
        "better than the baseline (a rate over its rate, its time over a time)."
    )
