"""The records of CSV text, each with the line it begins in.

A quote that is not closed, or closed in the middle of a cell, costs the row it is in and no other: reading goes on with
the next line.
"""

import csv
import io
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from nameplate.files.csv_columns import read_columns
from nameplate.files.rows import Finding, shown
from nameplate.files.unreadable import LONG_CELL

if TYPE_CHECKING:
    import _csv

CELL_LENGTH: Final = 131_072
"""The longest cell, in characters: the limit of the csv module."""

_MOST_LINES: Final = 100
"""How many lines a row may have. A quote that is closed later than that was never meant to be open so long."""

_BREAKS: Final = ("\n", "\r")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What separates cells and what encloses them."""

    delimiter: str
    quote: str

    def reader(self, lines: Iterable[str]) -> "_csv.Reader":
        """Return a reader of lines that refuses what is quoted wrongly."""
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    def lenient_cells(self, line: str) -> list[str]:
        """Return the cells of a line, whatever is wrong with it."""
        return next(csv.reader([line], delimiter=self.delimiter, quotechar=self.quote), [])


@dataclass(frozen=True, slots=True)
class Shape:
    """What the header says of every row: how many cells it has, and which of them hold no line break."""

    headers: Sequence[str]
    plain: Sequence[int]


@dataclass(slots=True)
class Records:
    """Some rows of cells, the lines they begin in, and what could not be made a row."""

    lines: "Sequence[int] | array[int]"
    rows: list[list[str]]
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Columns:
    """Some rows, all of the header's width, by column; and the lines they are in."""

    lines: range
    texts: Sequence[list[str]]

    def as_records(self) -> Records:
        """Return them by row."""
        return Records(self.lines, [list(row) for row in zip(*self.texts, strict=True)])


def read_records(blocks: Iterator[str], dialect: Dialect, shape: Shape) -> Iterator[Records | Columns]:
    """Yield the records of blocks of whole lines. Raises UnreadableFileError for a cell that is too long."""
    reading = _Reading(dialect, shape)
    block = next(blocks, "")
    while block:
        following = next(blocks, "")
        yield reading.read(block, is_last=not following)
        block = following


class _Reading:
    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        self._dialect = dialect
        self._shape = shape
        self._line = 1
        self._carried: list[str] = []

    def read(self, text: str, *, is_last: bool) -> Records | Columns:
        if not self._carried and self._dialect.quote not in text:
            columns = read_columns(text, self._dialect.delimiter, len(self._shape.headers), CELL_LENGTH)
            if columns is not None:
                return Columns(self._next_lines(len(columns[0])), columns)
        lines = io.StringIO(text, newline="")
        if not self._carried:
            reader = self._dialect.reader(lines)
            rows = _all(reader)
            if rows is not None and reader.line_num == len(rows):
                return Records(self._next_lines(len(rows)), rows)
            lines.seek(0)
        return self._read_carefully([*self._carried, *lines], is_last=is_last)

    def _next_lines(self, count: int) -> range:
        first, self._line = self._line, self._line + count
        return range(first, self._line)

    def _read_carefully(self, lines: list[str], *, is_last: bool) -> Records:
        """Read row by row, going back to the line after one that is quoted wrongly."""
        found = Records(array("I"), [])
        begin, end = 0, len(lines)
        while begin < end:
            begin, is_broken = self._read_rows(lines, begin, found)
            if not is_broken:
                break
            if not is_last and begin + _MOST_LINES > end:
                end = begin
                break
            found.findings.append(self._open_quote(lines, begin))
            begin += 1
        self._carried = lines[end:]
        self._line += end
        return found

    def _read_rows(self, lines: list[str], begin: int, found: Records) -> tuple[int, bool]:
        """Read rows from line `begin` on; return the line of the first that is broken, or the end."""
        reader, base = self._dialect.reader(islice(lines, begin, None)), begin
        assert isinstance(found.lines, array)
        try:
            for row in reader:
                after = base + reader.line_num
                if after - begin > 1 and self._swallows(lines, begin, after, row):
                    return begin, True
                found.lines.append(self._line + begin)
                found.rows.append(row)
                begin = after
        except csv.Error as error:
            if "field larger" in str(error) and len(lines[begin]) > CELL_LENGTH:
                raise LONG_CELL(most=CELL_LENGTH, line=self._line + begin) from None
            return begin, True
        return begin, False

    def _swallows(self, lines: list[str], begin: int, after: int, row: list[str]) -> bool:
        """Whether a row of several lines is one whose open quote has swallowed others, not a cell with line breaks."""
        if after - begin > _MOST_LINES:
            return True
        width = len(self._shape.headers)
        if len(row) == width and not any(mark in row[place] for place in self._shape.plain for mark in _BREAKS):
            return False
        return any(self._stands_alone(line, width) for line in lines[begin + 1 : after])

    def _stands_alone(self, line: str, width: int) -> bool:
        try:
            return [len(row) for row in self._dialect.reader([line])] == [width]
        except csv.Error:
            return False

    def _open_quote(self, lines: list[str], begin: int) -> Finding:
        cells = self._dialect.lenient_cells(lines[begin])
        quote, headers = self._dialect.quote, self._shape.headers
        place = next((at for at, cell in enumerate(cells) if quote in cell), len(cells) - 1)
        column = headers[place] if 0 <= place < len(headers) else ""
        return Finding(
            self._line + begin,
            column,
            shown(lines[begin].rstrip("\r\n")),
            "a quote is opened and not closed, or closed before the cell ends",
            f"Close it, or write a quote that belongs to the cell twice ({quote}{quote}).",
        )


def _all(reader: "_csv.Reader") -> list[list[str]] | None:
    try:
        return list(reader)
    except csv.Error:
        return None
