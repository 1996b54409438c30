"""Measure, print a table, write a JSON file: `python -m bench`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from bench import (
    brokers,
    creation,
    cycle,
    fairness,
    files,
    growth,
    latency,
    machine,
    memory,
    merging,
    mixed,
    page,
    queries,
    registration,
    results,
    uploads,
    wire,
)
from bench.figure import Figure
from bench.neighbours import Neighbours
from bench.plan import Plan
from bench.report import print_table
from bench.sites import Sites

_MEASURES: Final[dict[str, Callable[[Plan], list[Figure]]]] = {
    "wire": wire.measure,
    "queries": queries.measure,
    "brokers": brokers.measure,
    "mixed": mixed.measure,
    "registration": registration.measure,
    "creation": creation.measure,
    "cycle": cycle.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "fairness": fairness.measure,
    "uploads": uploads.measure,
    "merging": merging.measure,
    "growth": growth.measure,
    "files": files.measure,
}
_ROUNDS: Final = 5
_QUICK_ROUNDS: Final = 2
_FILE_ROWS: Final = 10_000_000
_QUICK_FILE_ROWS: Final = 100_000
_WIDTH: Final = 130


def main() -> int:
    """Return 0 whatever was measured: a noisy machine is no failure."""
    options = _parser().parse_args()
    rounds = options.rounds or (_QUICK_ROUNDS if options.quick else _ROUNDS)
    file_rows = options.file_rows or (_QUICK_FILE_ROWS if options.quick else _FILE_ROWS)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    progress = Console(stderr=True)
    groups: list[results.Group] = []
    with (
        TemporaryDirectory(prefix="nameplate-bench-") as scratch,
        Sites(Path(scratch)) as sites,
        progress.status("starting") as status,
    ):
        plan = Plan(rounds, options.quick, sites, status.update, file_rows)
        for name in options.only or _MEASURES:
            groups.append(_measure(name, plan))
            # What has been measured is kept, whatever becomes of the rest.
            results.write(options.json, groups)
            if options.merge:
                page.publish(groups)
    print_table(console, groups)
    for group in groups:
        others = group.cores_used_by["other_processes"]
        text = f"{group.name}: {group.rounds} rounds in {group.seconds:.0f} s; other processes used {others:.2f} cores."
        console.print(text, highlight=False)
    return 0


def _measure(name: str, plan: Plan) -> results.Group:
    watch = Neighbours()
    began = time.perf_counter()
    figures = _MEASURES[name](plan)
    seconds, cores = time.perf_counter() - began, watch.cores()
    return results.Group(name, machine.describe(plan.sites), plan.rounds, plan.quick, seconds, cores, figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=_positive, help="rounds of each measurement (5; with --quick 2)")
    parser.add_argument("--only", action="append", choices=_MEASURES, metavar="NAME", help=", ".join(_MEASURES))
    parser.add_argument("--file-rows", type=_positive, help="rows of imported files (10,000,000; with --quick 100,000)")
    parser.add_argument("--quick", action="store_true", help="measure less: a look, not a result")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"), help="where the results go")
    parser.add_argument("--merge", action="store_true", help="put them into docs/performance.{json,md,svg} too")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
