"""XLSX: where its header is, and its rows by column."""

from array import array
from collections.abc import Iterator, Mapping
from itertools import islice

from nameplate.files.columns import TAG, TAGS
from nameplate.files.heads import HEAD_ROWS, Head, HeadRows, find_head
from nameplate.files.layout import Layout, Open
from nameplate.files.rows import Block, Problem
from nameplate.files.sheets import Cells, Row, read_sheet
from nameplate.files.workbooks import Workbook


def read_blocks(open_: Open, layout: Layout, columns: Mapping[str, str]) -> Iterator[Block]:
    """Yield the rows of a sheet by column."""
    head = read_head(open_, layout, columns)
    with open_() as stream:
        workbook = Workbook(stream)
        for rows in read_sheet(workbook, workbook.sheet_name(layout.sheet)):
            yield _block([row for row in rows if row[0] > head.line and any(row[1].values())], head)


def read_cells(open_: Open, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield every row's number and cells."""
    head = read_head(open_, layout)
    with open_() as stream:
        workbook = Workbook(stream)
        for rows in read_sheet(workbook, workbook.sheet_name(layout.sheet)):
            yield from ((line, _listed(cells, len(head.headers))) for line, cells, _ in rows if line > head.line)


def read_head(open_: Open, layout: Layout, columns: Mapping[str, str] | None = None) -> Head:
    """Return the header of a sheet."""
    rows, _ = head_rows(open_, layout.sheet)
    return find_head(rows, columns or layout.columns or {})


def head_rows(open_: Open, sheet: str | None) -> tuple[HeadRows, str]:
    """Return the first rows of a sheet that are not empty, and the sheet's name."""
    with open_() as stream:
        workbook = Workbook(stream)
        name = workbook.sheet_name(sheet)
        rows = (row for rows in read_sheet(workbook, name) for row in rows if any(row[1].values()))
        return [(line, _listed(cells)) for line, cells, _ in islice(rows, HEAD_ROWS)], name


def _block(rows: list[Row], head: Head) -> Block:
    columns = {column: [cells.get(place, "") for _, cells, _ in rows] for column, place in head.places.items()}
    damage: dict[tuple[str, int], Problem] = {}
    for at, (_, _, damaged) in enumerate(rows):
        if damaged:
            damage |= {(column, at): damaged[place] for column, place in head.places.items() if place in damaged}
    # A tag may be a number or a date.
    kept = {cell: problem for cell, problem in damage.items() if cell[0] != TAGS and not cell[0].startswith(TAG)}
    return Block(array("I", [line for line, _, _ in rows]), columns, kept)


def _listed(cells: Cells, width: int = 0) -> list[str]:
    return [cells.get(place, "") for place in range(max(width, max(cells, default=-1) + 1))]
