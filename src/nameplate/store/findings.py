"""What is wrong with rows of files, by batch and line."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Final

from sqlalchemy import Connection, bindparam, or_, select

from nameplate.domain.file_batch import FindingKind
from nameplate.store.database import Database
from nameplate.store.schema import finding

_FORGET: Final = finding.delete().where(
    finding.c.batch_id == bindparam("of_batch"), finding.c.line == bindparam("of_line")
)


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One thing that is wrong with one row.

    `place` counts those of a line. `ordinal` is the row's in its batch; an illegal row has none.
    """

    line: int
    place: int
    kind: FindingKind
    ordinal: int | None
    column: str
    value: str | None
    problem: str
    fix: str


COLUMNS: Final = tuple(finding.c[field.name] for field in fields(StoredFinding))


class Findings:
    """Findings in the order of their lines."""

    def __init__(self, database: Database) -> None:
        kinds = [finding.c.kind == bindparam(kind.name) for kind in FindingKind]
        after = or_(
            finding.c.line > bindparam("line"),
            (finding.c.line == bindparam("line")) & (finding.c.place > bindparam("place")),
        )
        of_batch = select(*COLUMNS).where(
            finding.c.batch_id == bindparam("batch_id"), finding.c.line >= bindparam("line")
        )
        page = of_batch.where(after, or_(*kinds)).order_by(finding.c.line, finding.c.place).limit(bindparam("size"))
        self._page = database.prepare(page)

    def page(
        self, batch_id: int, after: tuple[int, int], size: int, kinds: Collection[FindingKind] = tuple(FindingKind)
    ) -> list[StoredFinding]:
        """Return up to `size` findings of some kinds that come after a line and place, in order."""
        chosen = {kind.name: kind.value if kind in kinds else "" for kind in FindingKind}
        rows = self._page.rows(batch_id=batch_id, line=after[0], place=after[1], size=size, **chosen)
        return [StoredFinding(row[0], row[1], FindingKind(row[2]), *row[3:]) for row in rows]


def add_findings(connection: Connection, batch_id: int, findings: Sequence[StoredFinding]) -> None:
    """Add findings, in the transaction that makes them true."""
    if findings:
        connection.execute(finding.insert(), [{"batch_id": batch_id, **asdict(one)} for one in findings])


def forget_lines(connection: Connection, batch_id: int, lines: Collection[int]) -> None:
    """Delete every finding of some lines."""
    if lines:
        connection.execute(_FORGET, [{"of_batch": batch_id, "of_line": line} for line in sorted(lines)])
