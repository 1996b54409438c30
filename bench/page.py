"""Write docs/performance.md and its plot from results, without measuring: `python -m bench.page bench-results.json`.

The results go into docs/performance.json, group by group; without a file the pages are written from that alone.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import results
from bench.figure import Figure, show
from bench.plot import draw
from bench.results import Group

_DOCS: Final = Path(__file__).parent.parent / "docs"
_RESULTS: Final = _DOCS / "performance.json"
_MINUTE: Final = 60

_TITLES: Final = {
    "growth": ("Growth", "Onto a table that has devices already, up to ten million."),
    "merging": ("Merged parts", "A worker that creates several parts together, where random names have made it slow."),
    "creation": ("Creating devices", "The create step alone, without HTTP, against bare bulk writes."),
    "cycle": ("The whole cycle", "Over HTTP: check, poll, register, poll, until CREATE_SUCCESS."),
    "latency": ("A small batch", "Ten names, from the ApplyId to CREATE_SUCCESS."),
    "fairness": ("Fairness", "Ten names of one account beside a million rows of another."),
    "memory": ("Memory", "While a million devices are registered."),
    "queries": ("Status queries", "Signed calls against the same server answering a constant."),
    "brokers": ("Brokers' hooks", "May this device connect: against the same server answering a constant."),
    "files": ("Files of millions", "Read, planned and applied, against a bare sorted load of the same rows."),
    "uploads": ("An upload meanwhile", "Batches of ten names while a gigabyte is uploaded."),
    "mixed": ("Queries meanwhile", "What a status query waits while batches are created."),
    "registration": ("Registration on SQLite", "The calls of one registration, and the server's memory."),
    "wire": ("Reading a call", "CPU time to verify and read 10,000 names."),
}

_INTRODUCTION: Final = """\
<!-- Written by bench.page from performance.json; `make bench` measures anew. -->
# Performance

What Nameplate costs, each figure beside a baseline measured in the same run, on the same machine and disk.

- `make bench` measures everything and writes this page; it takes some {minutes:.0f} minutes.
- `python -m bench --only growth --merge` measures one group and puts it in here; `--quick` is for a look.
- A PostgreSQL is started from a package that pip installs (`shared_buffers=2GB`, `max_wal_size=8GB`, everything durable
  left on), or `NAMEPLATE_TEST_DATABASE_URL` names another.

Values are medians of the rounds. The ratio is how many times better than the baseline: a rate over the baseline's rate,
the baseline's time over a time. "Spread" is the least and the greatest ratio of a round, or of the values where there
is no baseline.
"""


def publish(groups: Sequence[Group]) -> None:
    """Put groups into docs/performance.json and write the pages anew."""
    results.merge(_RESULTS, groups)
    for name, text in pages().items():
        (_DOCS / name).write_text(text)


def pages() -> dict[str, str]:
    """Return the pages that docs/performance.json gives, by name."""
    groups = results.read(_RESULTS)
    return {"performance.md": _write(groups), "performance.svg": draw(_figures(groups))}


def _figures(groups: Iterable[Group]) -> list[Figure]:
    return [figure for group in groups for figure in group.figures]


def _write(groups: Sequence[Group]) -> str:
    # By the order of the titles; a group that has none fails instead of being left out.
    ordered = sorted(groups, key=lambda group: list(_TITLES).index(group.name))
    minutes = sum(group.seconds for group in ordered) / _MINUTE
    parts = [_INTRODUCTION.format(minutes=minutes), _summary(ordered), _plot(), _circumstances(ordered)]
    return "\n".join([*parts, *map(_section, ordered)])


def _summary(groups: Iterable[Group]) -> str:
    aims = [figure for figure in _figures(groups) if figure.is_met is not None]
    missed = [figure for figure in aims if not figure.is_met]
    lines = [f"{len(aims) - len(missed)} of {len(aims)} targets are met.", ""]
    if missed:
        lines = [f"{lines[0]} Not met:", ""]
        lines += [f"- {figure.group}, {figure.name}: {_reached(figure)}, to be {figure.aim}" for figure in missed]
        lines.append("")
    return "\n".join(lines)


def _reached(figure: Figure) -> str:
    if figure.limit is not None or figure.ratio is None:
        return f"{show(figure.value)} {figure.unit}".rstrip()
    return f"{figure.ratio:.2f}"


def _plot() -> str:
    return "![Devices created per second, by devices that exist](performance.svg)\n"


def _circumstances(groups: Sequence[Group]) -> str:
    lines = ["## The machine", ""]
    for about in _different(group.machine for group in groups):
        lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in _describe(about).items()), ""]
    lines += ["How much others disturbed, in cores' worth of CPU time, and what a write to the disk took:", ""]
    lines += ["| group | CPU | rounds | minutes | other processes | other machines on the host | fsync of a page |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|"]
    for group in groups:
        others = group.cores_used_by
        rounds = f"{group.rounds}{', quick' if group.quick else ''}"
        lines.append(
            f"| {group.name} | {group.machine['cpu']} | {rounds} | {group.seconds / _MINUTE:.1f} | "
            f"{others['other_processes']:.2f} | {others['other_machines']:.2f} | {group.machine['fsync_ms']:.2f} ms |"
        )
    quick = [group.name for group in groups if group.quick]
    if quick:
        lines += ["", f"**Quick runs are a look, not a result: {', '.join(quick)}.**"]
    return "\n".join([*lines, ""])


def _describe(about: Mapping[str, Any]) -> dict[str, str]:
    return {
        "CPU": f"{about['cpu']}, {about['usable_cores']} of {about['cores']} cores",
        "memory": f"{about['memory_mib'] / 1024:.0f} GiB",
        "system": about["system"],
        "Python": about["python"],
        "SQLite": about["sqlite"],
        "PostgreSQL": about["postgresql"] or "",
    }


def _different(machines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return each machine once, with everything that is known of it; groups that use no PostgreSQL know no version."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for about in machines:
        key = tuple(about[name] for name in ("cpu", "usable_cores", "memory_mib", "system", "python", "sqlite"))
        one = found.setdefault(key, dict(about))
        one["postgresql"] = one["postgresql"] or about["postgresql"]
    return list(found.values())


def _section(group: Group) -> str:
    title, about = _TITLES[group.name]
    lines = [f"## {title}", "", about, ""]
    lines += ["| | value | baseline | ratio | spread | target | |", "|---|--:|--:|--:|--:|--:|---|"]
    notes: list[str] = []
    for figure in group.figures:
        if figure.note and figure.note not in notes:
            notes.append(figure.note)
        mark = f" ({notes.index(figure.note) + 1})" if figure.note else ""
        lines.append(f"| {figure.name}{mark} | {' | '.join(_cells(figure))} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, start=1)), ""]
    return "\n".join(lines)


def _cells(figure: Figure) -> list[str]:
    spread = [f"{ratio:.2f}" for ratio in figure.ratios] or [show(value) for value in figure.values]
    by_size = sorted(zip(figure.ratios or figure.values, spread, strict=True))
    return [
        f"{show(figure.value)} {figure.unit}".rstrip(),
        "" if figure.base is None else f"{show(figure.base)} {figure.unit}, {figure.baseline}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        f"{by_size[0][1]}…{by_size[-1][1]}" if len(by_size) > 1 else "",
        figure.aim,
        {None: "", True: "met", False: "**not met**"}[figure.is_met],
    ]


def main() -> int:
    """Return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("results", type=Path, nargs="*", help="what `python -m bench` wrote")
    publish([group for path in parser.parse_args().results for group in results.read(path)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
