"""What a reader tells of a file, piece by piece: each is kept once, in the order in which it is told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from nameplate.domain.batch import State, Step
from nameplate.domain.file_batch import FAILED, Outcome
from nameplate.store.database import Database
from nameplate.store.findings import StoredFinding, add_findings, forget_lines
from nameplate.store.rows import in_slices
from nameplate.store.schema import batch, finding, part, part_names, upload
from nameplate.store.uploads import ReadingLostError, Upload

_KEEP: Final = (
    upload.update()
    .where(
        upload.c.batch_id == bindparam("of_batch"),
        upload.c.number == bindparam("at"),
        upload.c.owner == bindparam("by"),
        upload.c.pieces == bindparam("told"),
    )
    .values(pieces=upload.c.pieces + 1, rows_read=bindparam("so_far"))
)
_CHANGED: Final = ("total", "done", "refused", "illegal", "conflicts")
_COUNT: Final = (
    batch.update()
    .where(batch.c.id == bindparam("of_batch"), batch.c.state == State.CHECK, batch.c.is_reading == 1)
    .values({name: batch.c[name] + bindparam(f"more_{name}") for name in _CHANGED})
)
_OPEN: Final = select(finding.c.line, finding.c.ordinal).where(
    finding.c.batch_id == bindparam("of_batch"), finding.c.line.in_(bindparam("lines", expanding=True))
)
_PART_OF: Final = (
    select(part.c.first, part.c.outcomes, part.c.is_done)
    .where(part.c.batch_id == bindparam("of_batch"), part.c.first <= bindparam("ordinal"))
    .order_by(part.c.first.desc())
    .limit(1)
    .with_for_update()
)
_CORRECT: Final = part.update().where(part.c.batch_id == bindparam("of_batch"), part.c.first == bindparam("at"))
_LINES: Final = select(finding.c.line).where(finding.c.batch_id == bindparam("batch_id")).distinct()
_TAKEN_UP: Final = (
    select(part_names.c.lines)
    .where(part_names.c.batch_id == bindparam("batch_id"), part_names.c.first >= bindparam("first"))
    .order_by(part_names.c.first)
)


@dataclass(frozen=True, slots=True)
class NewPart:
    """Rows of a file, as they go into the database.

    `names` and the like are JSON arrays, compressed, `lines` 32-bit numbers, `sealed` what `secrets.pack` returns.
    """

    first: int
    rows: int
    names: bytes
    lines: bytes
    nicknames: bytes | None = None
    sns: bytes | None = None
    sealed: bytes | None = None
    tags: bytes | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What a reader tells at once: how many rows it has read so far, what is wrong, and rows to keep."""

    number: int
    rows_read: int
    findings: Sequence[StoredFinding]
    part: NewPart | None


class Pieces:
    """Keeps pieces."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lines = database.prepare(_LINES)
        self._taken_up = database.prepare(_TAKEN_UP)

    def lines(self, chosen: Upload) -> set[int]:
        """Return the lines that corrections may correct: those with failed rows when the reading began."""
        open_now = {int(line) for (line,) in self._lines.rows(batch_id=chosen.batch_id)}
        rows = self._taken_up.rows(batch_id=chosen.batch_id, first=chosen.first)
        return open_now.union(*(memoryview(lines).cast("I") for (lines,) in rows))

    def keep(self, chosen: Upload, owner: str, until: int, piece: Piece, now: int) -> None:
        """Keep a piece, and the claim on its upload until a time. Raises ReadingLostError."""
        with self._database.transaction() as connection:
            told = {"of_batch": chosen.batch_id, "at": chosen.number, "by": owner, "told": piece.number}
            values = {"so_far": piece.rows_read, "leased_until": until}
            if connection.execute(_KEEP, {**told, **values}).rowcount != 1:
                raise ReadingLostError
            if piece.findings or piece.part is not None:
                self._add(connection, chosen, piece, now)

    def _add(self, connection: Connection, chosen: Upload, piece: Piece, now: int) -> None:
        bad = {found.line for found in piece.findings}
        new = piece.part
        more = dict.fromkeys(_CHANGED, 0)
        if chosen.number:
            lines = bad.union(memoryview(new.lines).cast("I")) if new is not None else bad
            _replace(connection, chosen.batch_id, lines, more)
        add_findings(connection, chosen.batch_id, piece.findings)
        if new is not None:
            _add_part(connection, chosen, new, now)
        more["total"] += len(bad) + (new.rows if new is not None else 0)
        for name in ("done", "refused", "illegal"):
            more[name] += len(bad)
        values = {f"more_{name}": number for name, number in more.items()}
        if connection.execute(_COUNT, {"of_batch": chosen.batch_id, **values}).rowcount != 1:
            raise ReadingLostError


def _add_part(connection: Connection, chosen: Upload, new: NewPart, now: int) -> None:
    key = {"batch_id": chosen.batch_id, "first": new.first}
    flow = {"account_id": chosen.account_id, "product_id": chosen.product_id}
    connection.execute(part.insert().values(**key, **flow, rows=new.rows, step=Step.CHECK, waiting_since=now))
    columns = {name: getattr(new, name) for name in ("names", "lines", "nicknames", "sns", "sealed", "tags")}
    connection.execute(part_names.insert(), {**key, **columns})


def _replace(connection: Connection, batch_id: int, lines: Iterable[int], more: dict[str, int]) -> None:
    """Take failed rows out, and what was found of them; `more` counts them down."""
    failed: dict[int, int | None] = {}
    for some in in_slices(sorted(lines)):
        rows = connection.execute(_OPEN, {"of_batch": batch_id, "lines": some}).all()
        failed |= {row.line: row.ordinal for row in rows}
    illegal = sum(ordinal is None for ordinal in failed.values())
    for name in ("total", "done", "refused", "illegal"):
        more[name] -= illegal
    ordinals = sorted(ordinal for ordinal in failed.values() if ordinal is not None)
    while ordinals:
        ordinals = _correct(connection, batch_id, ordinals, more)
    forget_lines(connection, batch_id, failed)


def _correct(connection: Connection, batch_id: int, ordinals: list[int], more: dict[str, int]) -> list[int]:
    """Take rows out of the part that the last of them is in, and return the others."""
    row = connection.execute(_PART_OF, {"of_batch": batch_id, "ordinal": ordinals[-1]}).one()
    here = [ordinal - row.first for ordinal in ordinals if ordinal >= row.first]
    outcomes = bytearray(row.outcomes)
    was = [outcomes[place] for place in here]
    for place in here:
        outcomes[place] = Outcome.CORRECTED
    values: Mapping[str, Any] = {
        "outcomes": bytes(outcomes),
        "failed": sum(map(outcomes.count, FAILED)),
        "corrected": outcomes.count(Outcome.CORRECTED),
    }
    # Whoever is working on the part has read what it was; the claim is taken away.
    is_over = row.is_done or outcomes.count(Outcome.CORRECTED) == len(outcomes)
    freed = {"owner": None, "leased_until": 0, "is_done": int(is_over)}
    connection.execute(_CORRECT, {"of_batch": batch_id, "at": row.first, **values, **freed})
    more["total"] -= len(here)
    more["conflicts"] -= was.count(Outcome.CONFLICT)
    if row.is_done:
        more["done"] -= len(here)
        more["refused"] -= len(here)
    return ordinals[: -len(here)]
