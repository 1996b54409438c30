"""What the plan of a batch says of each row: by the page, as a file, and the failed rows to correct."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from typing import Annotated, Final

from pydantic import Field

from nameplate.domain.access import Role
from nameplate.domain.file_batch import FindingKind, Outcome
from nameplate.files.layout import Format
from nameplate.files.rows import Finding
from nameplate.files.writing import write
from nameplate.imports import file_batches, uploads
from nameplate.rest.calls import RestCall
from nameplate.rest.media import MEDIA_TYPES, suffix_of
from nameplate.rest.replies import Download
from nameplate.rest.routes import Answer, BatchId, Limit, route
from nameplate.store.findings import StoredFinding

_AT_ONCE: Final = 5_000
_BEFORE_ALL: Final = "0"
_PLACE: Final = r"^[0-9]{1,10}(-[0-9]{1,10})?$"
_COLUMNS: Final = ("Line", "Kind", "DeviceName", "Column", "Value", "Problem", "Fix")


class RowKind(StrEnum):
    """What becomes, or has become, of a row; of the last three something is to be corrected."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    CREATED = "created"
    UPDATED = "updated"
    CONFLICT = "conflict"
    TAKEN = "taken"
    ILLEGAL = "illegal"


_FAILED: Final = (RowKind.CONFLICT, RowKind.TAKEN, RowKind.ILLEGAL)


class Row(Answer):
    """One row of a batch's file, or one thing that is wrong with it."""

    line: int | None = Field(description="In the file; the header's is 1. null once a whole part was created.")
    kind: RowKind
    name: str | None = Field(None, description="Its DeviceName; null of a row that is wrong.")
    column: str | None = Field(None, description="Where it is wrong.")
    value: str | None = Field(None, description="What stands there, up to 200 characters; never a secret.")
    problem: str | None = None
    fix: str | None = None


class RowPage(Answer):
    """Rows in the order of their names; those that are wrong in the order of their lines."""

    items: list[Row]
    next: str | None = Field(description="Send it as `after` for the next page; null on the last.")


@route("GET", "/v1/batches/{batch_id}/rows", role=Role.READER)
def list_rows(
    call: RestCall,
    batch_id: BatchId,
    kind: RowKind,
    after: Annotated[str | None, Field(pattern=_PLACE, description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> RowPage:
    """List the rows of one kind."""
    found = _page(call, batch_id, kind, after, limit + 1)
    more = found[limit - 1][0] if len(found) > limit else None
    return RowPage(items=[row for _, row in found[:limit]], next=more)


@route("GET", "/v1/batches/{batch_id}/plan", role=Role.READER, media_type="application/octet-stream")
def download_plan(call: RestCall, batch_id: BatchId, format: Format = Format.CSV) -> Download:  # noqa: A002 (the query's)
    """Download every row with what becomes of it; first what is wrong."""
    file_batches.progress(call, batch_id)
    kinds = (*_FAILED, *(kind for kind in RowKind if kind not in _FAILED))
    pages = chain.from_iterable(_pages(call, batch_id, kind) for kind in kinds)
    rows = ([_cells(row) for row in page] for page in pages)
    name = f"batch-{batch_id}-plan.{format}"
    return Download(write(format, rows, _COLUMNS), MEDIA_TYPES[format], name)


@route("GET", "/v1/batches/{batch_id}/failed", role=Role.REGISTRAR, media_type="application/octet-stream")
def download_failed(call: RestCall, batch_id: BatchId) -> Download:
    """Download the failed rows, in the file's own format, each with its Line and its Problem.

    Correct them there and send the file to `PUT /v1/batches/{batch_id}/corrections`.
    """
    open_file, layout = uploads.source(call, batch_id)
    findings = (Finding(one.line, one.column, one.value, one.problem, one.fix) for one in _findings(call, batch_id))
    name = f"batch-{batch_id}-failed{suffix_of(layout)}"
    # It reads files of every format, and what reads them takes a server a tenth of its start and much memory.
    from nameplate.files.failed import failed_rows  # noqa: PLC0415 (for that reason)

    return Download(failed_rows(open_file, layout, findings), MEDIA_TYPES[layout.format or Format.CSV], name)


def _page(call: RestCall, batch_id: int, kind: RowKind, after: str | None, size: int) -> list[tuple[str, Row]]:
    """Return rows of one kind, each with its place."""
    if kind in _FAILED:
        line, _, place = (after or _BEFORE_ALL).partition("-")
        found = file_batches.findings(call, batch_id, [FindingKind(kind)], (int(line), int(place or -1)), size)
        return [(f"{one.line}-{one.place}", _wrong(one)) for one in found]
    ordinal = -1 if after is None else int(after.partition("-")[0])
    rows = file_batches.rows(call, batch_id, Outcome[kind.name], ordinal, size)
    return [(str(one.ordinal), Row(line=one.line, kind=kind, name=one.name)) for one in rows]


def _pages(call: RestCall, batch_id: int, kind: RowKind) -> Iterator[list[Row]]:
    after: str | None = None
    while page := _page(call, batch_id, kind, after, _AT_ONCE):
        after = page[-1][0]
        yield [row for _, row in page]


def _findings(call: RestCall, batch_id: int) -> Iterator[StoredFinding]:
    after = (0, -1)
    while page := file_batches.findings(call, batch_id, after=after, size=_AT_ONCE):
        after = (page[-1].line, page[-1].place)
        yield from page


def _wrong(one: StoredFinding) -> Row:
    return Row(
        line=one.line,
        kind=RowKind(one.kind.value),
        column=one.column or None,
        value=one.value,
        problem=one.problem,
        fix=one.fix,
    )


def _cells(row: Row) -> dict[str, str]:
    cells = (
        None if row.line is None else str(row.line),
        row.kind.value,
        row.name,
        row.column,
        row.value,
        row.problem,
        row.fix,
    )
    return {name: cell for name, cell in zip(_COLUMNS, cells, strict=True) if cell is not None}
