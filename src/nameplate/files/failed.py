"""The rows that failed, as their file has them, each with its line and what is wrong: to correct and send again."""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Final

import pyarrow as pa

from nameplate.files import csv_files, json_lines, parquet_files, xlsx_files
from nameplate.files.columns import LINE, PROBLEM, free_header, line_header
from nameplate.files.formulas import defused
from nameplate.files.heads import Head
from nameplate.files.layout import Format, Layout, Open
from nameplate.files.parquet_writing import write_tables
from nameplate.files.rows import Finding
from nameplate.files.spreadsheets import write_workbook
from nameplate.files.writing import csv_text, json_line

_PAGE: Final = 1_000
_TITLE: Final = "Failed rows"
_MARKS: Final = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-8-sig": codecs.BOM_UTF8}

Cells = list[str]


def failed_rows(
    open_: Open, layout: Layout, findings: Iterable[Finding], *, is_correction: bool = False
) -> Iterator[bytes]:
    """Yield a file with the rows that findings (ordered by line) are about.

    It has the format, encoding, delimiter, headers and other columns of the file that it is made of, and two columns
    before them: Line and Problem. `reading.read(is_correction=True)` reads it. It is not compressed. If the file is a
    correction itself, its own Line and Problem are replaced.
    """
    assert layout.format is not None
    return _WRITERS[layout.format](open_, layout, _Problems(findings, is_ordered=not is_correction))


class _Problems:
    """What is wrong with each line."""

    def __init__(self, findings: Iterable[Finding], *, is_ordered: bool) -> None:
        """Keep only the next line's if lines are asked for in their order, which those of a correction may not be."""
        self.is_of_correction = not is_ordered
        self._grouped = ((line, _text(found)) for line, found in groupby(findings, key=attrgetter("line")))
        self._all = {} if is_ordered else dict(self._grouped)
        self._next = next(self._grouped, None)

    def of(self, line: int) -> str | None:
        """Return what is wrong with a line, or None if nothing is."""
        if self.is_of_correction:
            return self._all.get(line)
        while self._next is not None and self._next[0] < line:
            self._next = next(self._grouped, None)
        return self._next[1] if self._next is not None and self._next[0] == line else None

    def headers(self, headers: Sequence[str]) -> tuple[str, str, list[str]]:
        """Return the headers of line and problem, and which others stay."""
        own: set[str] = set()
        if self.is_of_correction:
            line = line_header(headers)
            own = {line, line[: -len(LINE)] + PROBLEM}
        kept = [header for header in headers if header not in own]
        return free_header(LINE, kept), free_header(PROBLEM, kept), kept


def _text(findings: Iterable[Finding]) -> str:
    subjects = ((f"{found.column} {found.problem}".strip(), found.fix) for found in findings)
    return " ".join(f"{subject[:1].upper()}{subject[1:]}. {fix.rstrip('.')}." for subject, fix in subjects)


def _csv(open_: Open, layout: Layout, problems: _Problems) -> Iterator[bytes]:
    head, encoding = csv_files.read_head(open_, layout), layout.encoding or "utf-8"
    dialect = csv_files.dialect_of(layout)
    headers, rows = _table(head, csv_files.read_cells(open_, layout), problems)
    mark = _MARKS.get(encoding, b"")
    for page in _pages(chain([headers], rows)):
        text = csv_text(([defused(cell) for cell in row] for row in page), dialect.delimiter, dialect.quote)
        yield mark + text.encode("utf-8" if encoding == "utf-8-sig" else encoding, "replace")
        mark = b""


def _xlsx(open_: Open, layout: Layout, problems: _Problems) -> Iterator[bytes]:
    head = xlsx_files.read_head(open_, layout)
    headers, rows = _table(head, xlsx_files.read_cells(open_, layout), problems)
    return write_workbook(_TITLE, headers, _pages(rows))


def _table(head: Head, rows: Iterator[tuple[int, Cells]], problems: _Problems) -> tuple[Cells, Iterator[Cells]]:
    """Return the headers and the rows of a table of cells, with line and problem as the first of them."""
    names = {place: column for column, place in head.places.items()}
    given = head.headers if head.line else [names.get(at, f"Column {at + 1}") for at in range(len(head.headers))]
    line_name, problem_name, kept = problems.headers(given)
    places = [place for place, header in enumerate(given) if header in kept]
    line_place = given.index(line_header(given)) if problems.is_of_correction else None

    def chosen() -> Iterator[Cells]:
        for number, row in rows:
            cells = row + [""] * (len(given) - len(row))
            line = number if line_place is None else int(float(cells[line_place] or 0))
            problem = problems.of(line)
            if problem is not None:
                yield [str(line), problem, *(cells[place] for place in places), *cells[len(given) :]]

    return [line_name, problem_name, *kept], chosen()


def _pages(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    remaining = iter(rows)
    while page := list(islice(remaining, _PAGE)):
        yield page


def _jsonl(open_: Open, layout: Layout, problems: _Problems) -> Iterator[bytes]:
    line_name, problem_name, kept = problems.headers(json_lines.read_headers(open_, layout))
    own_line = line_name if problems.is_of_correction else None
    for number, row in json_lines.read_objects(open_, layout):
        line = number if own_line is None else int(row.get(own_line) or 0)
        problem = problems.of(line)
        if problem is not None:
            others = {key: value for key, value in row.items() if key not in {own_line, problem_name}}
            yield json_line({line_name: line, problem_name: problem, **(dict.fromkeys(kept) | others)})


def _parquet(open_: Open, _layout: Layout, problems: _Problems) -> Iterator[bytes]:
    schema = parquet_files.read_schema(open_)
    line_name, problem_name, kept = problems.headers(schema.names)
    fields = [(line_name, pa.int64()), (problem_name, pa.string()), *(schema.field(name) for name in kept)]

    def tables() -> Iterator[pa.Table]:
        first = 1
        with open_() as stream:
            for batch in parquet_files.read_batches(stream):
                own = batch.column(line_name).to_pylist() if problems.is_of_correction else None
                lines = [int(line) for line in own or range(first, first + batch.num_rows)]
                first += batch.num_rows
                wrong = [problems.of(line) for line in lines]
                chosen = [at for at, problem in enumerate(wrong) if problem is not None]
                if chosen:
                    added = [pa.array([lines[at] for at in chosen]), pa.array([wrong[at] for at in chosen])]
                    picked = batch.select(kept).take(pa.array(chosen))
                    yield pa.table([*added, *picked.columns], schema=pa.schema(fields))

    return write_tables(pa.schema(fields), tables())


_WRITERS: Final[dict[Format, Callable[[Open, Layout, _Problems], Iterator[bytes]]]] = {
    Format.CSV: _csv,
    Format.XLSX: _xlsx,
    Format.JSONL: _jsonl,
    Format.PARQUET: _parquet,
}
