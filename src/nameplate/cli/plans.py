"""Batches as people read them: what is planned, what came of it, and what to do about the rows that failed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nameplate.cli.plain import count, plain, size

Progress = Mapping[str, Any]
"""A batch as the server describes it."""

_COUNTS: Final = (
    ("created", "created"),
    ("updated", "updated to what the file says"),
    ("unchanged", "unchanged: they exist with the same content"),
    ("conflicts", "in conflict: they exist with other content"),
    ("illegal", "illegal"),
)
_SHOWN: Final = 10


def summary(progress: Progress) -> str:
    """Write where a batch is, and its counts."""
    file = progress["file"]
    head = f"Batch {progress['batch_id']}, {plain(file['name'])} into {progress['product_key']}: {_where(progress)}"
    if progress["stage"] == "uploading":
        total = "" if file["size"] is None else f" of {size(file['size'])}"
        return f"{head}\n  {size(file['received'])}{total} received"
    if progress["problem"]:
        return f"{head}\n  {plain(progress['problem'])}"
    return "\n".join([head, f"  {count(progress['total'], 'row')}", *_count_lines(progress)])


def failed_rows(rows: Sequence[Progress], total: int) -> str:
    """Write the first of the rows that are wrong, each with its place and what to do."""
    lines = [_row(row) for row in rows[:_SHOWN]]
    more = total - len(lines)
    return "\n".join([*lines, f"  … and {more:,} more"] if more > 0 else lines)


def has_failed(progress: Progress) -> bool:
    """Whether there is something for somebody to do about it."""
    return bool(progress["state"].endswith("_FAILED") or progress["problem"])


def next_steps(progress: Progress) -> str:
    """Say which commands go on from here."""
    batch_id, state = progress["batch_id"], progress["state"]
    if progress["problem"] or progress["stage"] == "cancelled":
        return ""
    steps = []
    if progress["illegal"] or progress["conflicts"] or progress["failed"]:
        steps.append(f"The failed rows, to correct: nameplate failed {batch_id} -o FILE")
        steps.append(f"Corrected, send them with:   nameplate retry {batch_id} FILE")
    if progress["stage"] == "planned":
        steps.append(f"Apply the plan with:         nameplate apply {batch_id}")
    elif state.startswith("CREATE_") and progress["created"]:
        steps.append(f"The devices' credentials:    nameplate export --batch {batch_id} -o FILE")
    return "\n".join(steps)


def batch_table(batches: Sequence[Progress]) -> str:
    """Write batches as a table."""
    head = ("batch", "product", "state", "stage", "rows", "created", "failed", "file")
    rows = [
        (
            str(one["batch_id"]),
            one["product_key"],
            one["state"],
            one["stage"],
            f"{one['total']:,}",
            f"{one['created']:,}",
            f"{one['failed']:,}",
            plain(one["file"]["name"]),
        )
        for one in batches
    ]
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows below their head, in columns as wide as needed: what is cut short cannot be copied."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)


def _where(progress: Progress) -> str:
    policy = f", {progress['policy']}" if progress["policy"] else ""
    return f"{progress['stage']} ({progress['state']}{policy})"


def _count_lines(progress: Progress) -> list[str]:
    counts = [(progress[name], text) for name, text in _COUNTS if progress[name]]
    if progress["to_create"] or not counts:
        counts.insert(0, (progress["to_create"], "to create"))
    return [f"  {number:>13,} {text}" for number, text in counts]


def _row(row: Progress) -> str:
    cell = "" if row["value"] is None else f' "{row["value"]}"'
    column = f", {row['column']}{cell}" if row["column"] else ""
    problem = (row["problem"] or row["kind"]).rstrip(".")
    text = f"line {row['line']}{column}: {problem}. {row['fix'] or ''}"
    return f"  {plain(text).rstrip()}"
