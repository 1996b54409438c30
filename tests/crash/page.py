"""Write docs/crash.md from the outcomes of runs: `python -m tests.crash.page OUTCOME.json…`.

They go into docs/crash.json, one for each engine; without a file the page is written from that alone.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

_DOCS: Final = Path(__file__).parent.parent.parent / "docs"
_OUTCOMES: Final = _DOCS / "crash.json"
_NAMES: Final = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}

_INTRODUCTION: Final = """\
<!-- Written by tests.crash.page from crash.json; `make crash` runs it anew. -->
# Crashes

`make crash` (`MINUTES=30 DATABASE=postgresql` or `sqlite`) kills an installation again and again while six clients
register: named batches, minted ones, imports with secrets, single devices, and batches that race for the same names.
Clients send a call again, with its ClientToken, until it is answered.

- On PostgreSQL there are two servers, one of them of two processes, and four workers; on SQLite a server and a worker.
- Killed are servers, one process of a server, workers, the database, everything at once: at random moments, before a
  chosen SQL statement and after a COMMIT that nobody has been told of. Workers stand still past their lease and go on.
- When the clients rest, and at the end, a checker that uses nothing of Nameplate reads the database and holds it
  against what clients were told: batches, names, ids, refusals, tokens, counts. Secrets are asked for again and
  compared, imported ones with what was sent. It is itself tested, with databases that are damaged on purpose.

A short run on each engine is part of `make test`.
"""


def main() -> int:
    """Put outcomes into docs/crash.json and write the page anew."""
    outcomes = _read()
    for name in sys.argv[1:]:
        outcome = json.loads(Path(name).read_text())
        outcomes[outcome["plan"]["engine"]] = outcome
    _OUTCOMES.write_text(json.dumps(outcomes, indent=1) + "\n")
    for name, text in pages().items():
        (_DOCS / name).write_text(text)
    return 0


def pages() -> dict[str, str]:
    """Return the page that docs/crash.json gives, by name."""
    outcomes = _read()
    if not outcomes:
        return {}
    columns = [outcomes[engine] for engine in _NAMES if engine in outcomes]
    lines = [_INTRODUCTION, _row("", *(_NAMES[column["plan"]["engine"]] for column in columns))]
    lines.append("|---|" + "--:|" * len(columns))
    kinds = sorted({kind for column in columns for kind in column["kills"]})
    lines.append(_row("duration", *(f"{column['seconds'] / 60:.1f} minutes" for column in columns)))
    lines += [_row(kind, *(_count(column["kills"].get(kind, 0)) for column in columns)) for kind in kinds]
    for text, name in _FIGURES:
        lines.append(_row(text, *(_count(column[name]) for column in columns)))
    twice = (_count(column["duplicate_names"] + column["duplicate_ids"]) for column in columns)
    lines.append(_row("**names or ids twice**", *twice))
    lines.append(_row("**anything else wrong**", *(_count(len(column["wrong"])) for column in columns)))
    return {"crash.md": "\n".join(lines) + "\n"}


_FIGURES: Final = (
    ("**all kills**", "all_kills"),
    ("claims taken over", "claims_taken_over"),
    ("calls sent again", "calls_repeated"),
    ("batches acknowledged", "batches"),
    ("devices", "devices"),
    ("secrets shown", "secrets_shown"),
    ("**acknowledged batches lost**", "lost_batches"),
    ("**secrets changed**", "changed_secrets"),
)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _count(number: int) -> str:
    return f"{number:,}"


def _read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_OUTCOMES.read_text()) if _OUTCOMES.exists() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
