"""Device lists out, streamed: CSV, XLSX, JSON lines, Parquet."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from nameplate.files.formulas import defused
from nameplate.files.layout import Format
from nameplate.files.spreadsheets import write_workbook

Page = Sequence[Mapping[str, str]]
"""Some rows, each by column; a column that a row does not have is empty."""

_TITLE: Final = "Devices"


def write(format_: Format, pages: Iterable[Page], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield a file of these rows, a chunk for each page. It reads back as it was.

    CSV is UTF-8 without a byte order mark; a cell that a spreadsheet would execute gets an apostrophe before it.
    """
    return _WRITERS[format_](pages, columns)


def _csv(pages: Iterable[Page], columns: Sequence[str]) -> Iterator[bytes]:
    yield csv_text([columns]).encode()
    for page in pages:
        yield csv_text([defused(row.get(column, "")) for column in columns] for row in page).encode()


def csv_text(rows: Iterable[Iterable[str]], delimiter: str = ",", quote: str = '"') -> str:
    """Return rows of cells as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quotechar=quote).writerows(rows)
    return text.getvalue()


def _xlsx(pages: Iterable[Page], columns: Sequence[str]) -> Iterator[bytes]:
    return write_workbook(
        _TITLE, columns, ([[row.get(column, "") for column in columns] for row in page] for page in pages)
    )


def _jsonl(pages: Iterable[Page], columns: Sequence[str]) -> Iterator[bytes]:
    # Every line has every key, so that a reader knows the columns from the first.
    for page in pages:
        yield b"".join(json_line({column: row.get(column) for column in columns}) for row in page)


def json_line(row: Mapping[str, Any]) -> bytes:
    """Return an object as one line."""
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _parquet(pages: Iterable[Page], columns: Sequence[str]) -> Iterator[bytes]:
    # What reads and writes Parquet takes a server a tenth of its start, and much memory.
    from nameplate.files.parquet_writing import write_pages  # noqa: PLC0415 (for that reason)

    return write_pages(pages, columns)


_WRITERS: Final[dict[Format, Callable[[Iterable[Page], Sequence[str]], Iterator[bytes]]]] = {
    Format.CSV: _csv,
    Format.XLSX: _xlsx,
    Format.JSONL: _jsonl,
    Format.PARQUET: _parquet,
}
