"""CSV: where its header is, and its rows by column."""

import csv
import io
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Final

from nameplate.files.csv_records import CELL_LENGTH, Columns, Dialect, Records, Shape, read_records
from nameplate.files.heads import HEAD_ROWS, Head, find_head
from nameplate.files.layout import Layout, Open
from nameplate.files.rows import ROWS_AT_ONCE, Block, Finding
from nameplate.files.streams import open_plain
from nameplate.files.text import text_blocks
from nameplate.files.unreadable import LONG_CELL

_SEPARATOR: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def read_blocks(open_: Open, layout: Layout, columns: Mapping[str, str]) -> Iterator[Block]:
    """Yield the rows of a CSV file by column."""
    for head, found in _read(open_, layout, columns):
        yield from _column_blocks(head, found) if isinstance(found, Columns) else _blocks(head, found)


def read_cells(open_: Open, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield every row's line and cells; of a row that is quoted wrongly, the cells that its line has."""
    dialect = dialect_of(layout)
    for head, found in _read(open_, layout, layout.columns or {}):
        records = found.as_records() if isinstance(found, Columns) else found
        broken = ((finding.line, dialect.lenient_cells(finding.value or "")) for finding in records.findings)
        rows = zip(records.lines, records.rows, strict=True)
        yield from (row for row in sorted(chain(rows, broken), key=itemgetter(0)) if row[0] > head.line)


def read_head(open_: Open, layout: Layout, columns: Mapping[str, str] | None = None) -> Head:
    """Return the header of a CSV file."""
    with open_plain(open_, layout) as stream:
        return _head(next(text_blocks(stream, _encoding(layout)), ""), layout, columns or layout.columns or {})


def dialect_of(layout: Layout) -> Dialect:
    """Return the dialect that a complete layout names."""
    return Dialect(layout.delimiter or ",", layout.quote or '"')


def head_rows(text: str, dialect: Dialect) -> list[tuple[int, list[str]]]:
    """Return the first rows of a file that are not empty, each with the line it ends in."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=False
    )
    rows = []
    try:
        for row in islice(reader, 2 * HEAD_ROWS):
            is_separator = reader.line_num == 1 and _SEPARATOR.fullmatch(text[:8].partition("\n")[0].rstrip("\r"))
            if any(row) and not is_separator:
                rows.append((reader.line_num, row))
    except csv.Error:
        if not rows:
            raise LONG_CELL(most=CELL_LENGTH, line=reader.line_num) from None
    return rows[:HEAD_ROWS]


def declared_delimiter(text: str) -> str | None:
    """Return the delimiter that a first line `sep=;` declares, as spreadsheets write it."""
    found = _SEPARATOR.match(text)
    return found[1] if found else None


def _read(open_: Open, layout: Layout, columns: Mapping[str, str]) -> Iterator[tuple[Head, Records | Columns]]:
    with open_plain(open_, layout) as stream:
        blocks = text_blocks(stream, _encoding(layout))
        first = next(blocks, "")
        head = _head(first, layout, columns)
        shape = Shape(head.headers, list(head.places.values()))
        for records in read_records(chain([first], blocks), dialect_of(layout), shape):
            yield head, records


def _head(text: str, layout: Layout, columns: Mapping[str, str]) -> Head:
    above = 1 if declared_delimiter(text) else 0
    return find_head(head_rows(text, dialect_of(layout)), columns, above)


def _column_blocks(head: Head, found: Columns) -> Iterator[Block]:
    """Cut columns into blocks, without the header and what is above it."""
    for start in range(max(0, head.line + 1 - found.lines.start), len(found.lines), ROWS_AT_ONCE):
        texts = [column[start : start + ROWS_AT_ONCE] for column in found.texts]
        columns = {column: texts[place] for column, place in head.places.items()}
        lines = array("I", found.lines[start : start + ROWS_AT_ONCE])
        yield _without_empty(Block(lines, columns), zip(*texts, strict=True))


def _blocks(head: Head, records: Records) -> Iterator[Block]:
    """Cut records into blocks, without the header and what is above it."""
    above = 0
    while records.rows and above < len(records.lines) and records.lines[above] <= head.line:
        above += 1
    findings = [finding for finding in records.findings if finding.line > head.line]
    for start in range(above, len(records.rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        yield _block(head, Records(records.lines[part], records.rows[part], findings))
        findings = []
    if findings:
        yield Block(array("I"), {column: [] for column in head.places}, findings=findings)


def _block(head: Head, records: Records) -> Block:
    width = len(head.headers)
    if set(map(len, records.rows)) != {width}:
        records = _of_width(width, records)
    columns = {column: list(map(itemgetter(place), records.rows)) for column, place in head.places.items()}
    return _without_empty(Block(array("I", records.lines), columns, findings=records.findings), records.rows)


def _without_empty(block: Block, rows: Iterable[Sequence[str]]) -> Block:
    """Leave out of a block what is empty as a whole row of the file."""
    if any(all(not texts[at] for texts in block.columns.values()) for at in _empties(block.columns)):
        return block.pick([any(row) for row in rows])
    return block


def _empties(columns: Mapping[str, list[str]]) -> Iterator[int]:
    """Yield the places of rows whose first column is empty."""
    texts = next(iter(columns.values()))
    if "" in texts:
        yield from (at for at, text in enumerate(texts) if not text)


def _of_width(width: int, records: Records) -> Records:
    """Keep the rows of the header's width; empty cells too many are forgiven, and lines that are empty."""
    kept = Records(array("I"), [], records.findings)
    assert isinstance(kept.lines, array)
    for line, row in zip(records.lines, records.rows, strict=True):
        if len(row) < width:
            if any(row):
                kept.findings.append(_miscounted(line, len(row), width))
        elif any(row[width:]):
            kept.findings.append(_miscounted(line, len(row), width))
        else:
            kept.lines.append(line)
            kept.rows.append(row)
    return kept


def _miscounted(line: int, cells: int, width: int) -> Finding:
    problem = f"the row has {cells} cells, the header {width}"
    if cells < width:
        return Finding(line, "", None, problem, "Give every row all cells, empty ones too.")
    return Finding(line, "", None, problem, "Quote cells that hold the delimiter, or remove those that are too many.")


def _encoding(layout: Layout) -> str:
    return layout.encoding or "utf-8"
