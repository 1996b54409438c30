"""The table, the JSON file, and the machine that both are about."""

import json
import os
import platform
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figure import Figure

_SYNCS: Final = 21
_PAGE: Final = b"\0" * 4096


def machine(scratch: Path) -> dict[str, Any]:
    """Describe the machine, its disk included: what one fsync of a page costs where the databases are."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "fsync_ms": round(_fsync(scratch) * 1000, 3),
        "load_average": round(os.getloadavg()[0], 2),
    }


def write_json(path: Path, about: dict[str, Any], plan: dict[str, Any], figures: Sequence[Figure]) -> None:
    """Write everything, machine and rounds included."""
    document = {"machine": about, **plan, "figures": [figure.as_json() for figure in figures]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def print_table(console: Console, about: dict[str, Any], figures: Sequence[Figure]) -> None:
    """Print every figure beside its baseline, and below what the notes say."""
    table = Table(caption=_caption(about), caption_justify="left")
    for heading in ("figure", "value", "baseline", "ratio", "rounds", "target", ""):
        table.add_column(heading, justify="left" if heading in {"figure", ""} else "right")
    notes: list[str] = []
    group = ""
    for figure in figures:
        if figure.group != group:
            table.add_section()
            table.add_row(f"[bold]{figure.group}[/]")
            group = figure.group
        table.add_row(*_row(figure, _number(figure.note, notes)))
    console.print(table)
    for number, note in enumerate(notes, start=1):
        console.print(f" {number}  {note}", style="dim", highlight=False)


def _row(figure: Figure, note: str) -> list[str]:
    spread = figure.ratios
    return [
        f"{figure.name}{note}",
        f"{_show(figure.value)} {figure.unit}",
        "" if figure.base is None else f"{_show(figure.base)} {figure.unit}\n[dim]{figure.baseline}[/]",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        f"[dim]{min(spread):.2f}…{max(spread):.2f}[/]" if spread else "",
        "" if figure.target is None else f"≥ {figure.target:g}",
        {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.is_met],
    ]


def _number(note: str, notes: list[str]) -> str:
    if not note:
        return ""
    if note not in notes:
        notes.append(note)
    return f" [dim]({notes.index(note) + 1})[/]"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"  # noqa: PLR2004 (four digits and up)


def _caption(about: dict[str, Any]) -> str:
    return (
        f"{about['cpu']}, {about['usable_cores']} of {about['cores']} cores; Python {about['python']}, SQLite "
        f"{about['sqlite']}; one fsync {about['fsync_ms']} ms. Medians of the rounds; the ratio is how many times "
        "better than the baseline (a rate over its rate, its time over a time)."
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _fsync(scratch: Path) -> float:
    seconds = []
    with (scratch / "fsync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(_PAGE)
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return median(seconds)
