"""Measure, print a table, write a JSON file: `python -m bench`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from bench import mixed, queries, registration, wire
from bench.figure import Figure, Plan
from bench.neighbours import Neighbours
from bench.report import machine, print_table, write_json

_MEASURES: Final[dict[str, Callable[[Plan], list[Figure]]]] = {
    "wire": wire.measure,
    "queries": queries.measure,
    "mixed": mixed.measure,
    "registration": registration.measure,
}
_QUICK_ROUNDS: Final = 2
_WIDTH: Final = 130


def main() -> int:
    """Return 0 whatever was measured: a noisy machine is no failure."""
    options = _parser().parse_args()
    rounds = options.rounds or (_QUICK_ROUNDS if options.quick else 5)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    progress = Console(stderr=True)
    began = time.perf_counter()
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="nameplate-bench-") as scratch, progress.status("starting") as status:
        plan = Plan(rounds, options.quick, Path(scratch), status.update)
        about = machine(plan.scratch)
        neighbours = {}
        for name in options.only or _MEASURES:
            watch = Neighbours()
            figures += _MEASURES[name](plan)
            neighbours[name] = watch.cores()
    plan_json = {"rounds": rounds, "quick": options.quick, "cores_used_by": neighbours}
    write_json(options.json, about, plan_json, figures)
    print_table(console, about, figures)
    shares = ", ".join(f"{name} {cores['other_processes']:.2f}" for name, cores in neighbours.items())
    console.print(f"\nCores that other processes used meanwhile: {shares}.", highlight=False)
    seconds = time.perf_counter() - began
    console.print(f"{rounds} rounds in {seconds:.0f} s; every round is in {options.json}.", highlight=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=_positive, help="rounds of each measurement (5; with --quick 2)")
    parser.add_argument("--only", action="append", choices=_MEASURES, metavar="NAME", help=", ".join(_MEASURES))
    parser.add_argument("--quick", action="store_true", help="measure less: a look, not a result")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"), help="where the results go")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
