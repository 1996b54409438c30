"""Kill an installation again and again under load, and say what it lost: nothing.

python -m tests.crash --minutes 30 --database postgresql
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.crash.run import Outcome, Plan, run


def main() -> int:
    given = _arguments()
    seed = random.randrange(1_000_000) if given.seed is None else given.seed  # noqa: S311 (not a secret)
    plan = Plan(given.database, given.minutes * 60, seed, given.devices)
    console = Console()
    directory = Path(tempfile.mkdtemp(prefix="nameplate-crash-"))
    console.print(f"{given.minutes} minutes on {plan.engine}, seed {plan.seed}, in {directory}")
    outcome = run(plan, directory, lambda text: console.print(text, highlight=False))
    console.print(_table(outcome))
    if given.json:
        given.json.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
    for text in outcome.wrong:
        console.print(text, style="red", highlight=False, markup=False)
    # What was right, but with a stack trace in a log, somebody will want to read.
    if outcome.is_right and not outcome.stack_traces and not given.keep:
        shutil.rmtree(directory)
    return 0 if outcome.is_right else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seed", type=int, help="what is chosen at random; not when it happens")
    parser.add_argument("--devices", type=int, default=1_000_000, help="about how many are registered at most")
    parser.add_argument("--json", type=Path, help="where the outcome is written")
    parser.add_argument("--keep", action="store_true", help="keep the database and the logs")
    return parser.parse_args()


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.plan.engine}, seed {outcome.plan.seed}", show_header=False)
    table.add_row("duration", f"{outcome.seconds / 60:.1f} minutes, {outcome.checks} checks")
    for kind, count in outcome.kills.items():
        table.add_row(kind, f"{count:,}")
    table.add_row("all kills", f"{sum(outcome.kills.values()):,}", end_section=True)
    table.add_row("batches acknowledged", f"{outcome.batches:,}, {outcome.racing_batches:,} of them racing")
    table.add_row("devices", f"{outcome.devices:,}, {outcome.single_devices:,} of them single")
    table.add_row("calls sent again", f"{outcome.calls_repeated:,}")
    table.add_row("claims taken over", f"{outcome.claims_taken_over:,}")
    table.add_row("secrets shown, and shown again", f"{outcome.secrets_shown:,}")
    table.add_row("stack traces in the logs", f"{outcome.stack_traces:,}", end_section=True)
    table.add_row("acknowledged batches lost", f"{outcome.lost_batches:,}")
    table.add_row("names or ids twice", f"{outcome.duplicate_names + outcome.duplicate_ids:,}")
    table.add_row("secrets changed", f"{outcome.changed_secrets:,}")
    table.add_row("anything else wrong", f"{len(outcome.wrong):,}")
    return table


if __name__ == "__main__":
    sys.exit(main())
