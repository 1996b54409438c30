"""Finding out how a file is laid out: its compression, format, encoding, delimiter and columns.

Whatever was given is believed; the rest is found in a way that can be told: magic numbers, a byte order mark, a header.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from nameplate.files import csv_files, json_lines, parquet_files, xlsx_files
from nameplate.files.columns import find_columns, recognise
from nameplate.files.csv_records import Dialect
from nameplate.files.heads import detect_columns
from nameplate.files.layout import NONE, Format, Layout, Open
from nameplate.files.streams import BLOCK_BYTES, compression_of, open_plain
from nameplate.files.text import find_encoding, known_encoding, text_blocks
from nameplate.files.unreadable import (
    ANOTHER_FORMAT,
    COMPRESSED_TWICE,
    EMPTY,
    JSON_ARRAY,
    NOT_COMPRESSED_SO,
    NOT_ONE_CHARACTER,
)

_DELIMITERS: Final = (",", ";", "\t", "|")
_QUOTES: Final = ('"', "'")
_LINES_NAMED: Final = (".jsonl", ".ndjson", ".json", ".jsonlines")
_OTHERS: Final = {
    b"\xd0\xcf\x11\xe0": ("an old or an encrypted Excel workbook", "Save it as .xlsx, without a password."),
    b"%PDF": ("a PDF", "Save the list as CSV or XLSX."),
    b"Rar!": ("a RAR archive", "Unpack it."),
    b"7z\xbc\xaf": ("a 7z archive", "Unpack it."),
    b"BZh": ("compressed with bzip2", "Compress it with gzip or zstd."),
    b"\xfd7zXZ": ("compressed with xz", "Compress it with gzip or zstd."),
    b"<?xml": ("XML", "Save the list as CSV or XLSX."),
    b"<html": ("a web page", "Save the list as CSV or XLSX."),
    b"<!DOC": ("a web page", "Save the list as CSV or XLSX."),
}


def detect(open_: Open, name: str, given: Layout) -> Layout:
    """Return the complete layout of the file called `name`. Raises UnreadableFileError."""
    layout = _with_compression(open_, given)
    with open_plain(open_, layout) as stream:
        head = stream.read(BLOCK_BYTES)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise EMPTY()
    found = replace(layout, format=layout.format or _format_of(head, name))
    return _DETECTORS[found.format or Format.CSV](open_, found)


def _with_compression(open_: Open, given: Layout) -> Layout:
    with open_() as raw:
        found = compression_of(raw.read(4))
    if given.compression not in {None, found}:
        raise NOT_COMPRESSED_SO(given=given.compression, found=found)
    return replace(given, compression=found)


def _format_of(head: bytes, name: str) -> Format:
    for magic, (what, fix) in _OTHERS.items():
        if head.lstrip()[:8].startswith(magic):
            raise ANOTHER_FORMAT(what=what, fix=fix)
    if head.startswith(b"PK"):
        return Format.XLSX
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    text = head[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    named = {suffix.lower() for suffix in PurePath(name).suffixes}
    if text.startswith(b"[") and named & set(_LINES_NAMED):
        raise JSON_ARRAY()
    return Format.JSONL if text.startswith(b"{") else Format.CSV


def _detect_csv(open_: Open, layout: Layout) -> Layout:
    encoding = _encoding(open_, layout)
    with open_plain(open_, layout) as stream:
        text = next(text_blocks(stream, encoding), "")
    dialect = _dialect(text, layout)
    return replace(
        layout,
        encoding=encoding,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        columns=detect_columns(csv_files.head_rows(text, dialect), layout.columns),
    )


def _encoding(open_: Open, layout: Layout) -> str:
    if layout.encoding is None:
        return find_encoding(open_, layout)
    given = known_encoding(layout.encoding)
    return _utf_16(open_, layout) if given == "utf-16" else given


def _utf_16(open_: Open, layout: Layout) -> str:
    with open_plain(open_, layout) as stream:
        return "utf-16-be" if stream.read(2) == b"\xfe\xff" else "utf-16-le"


def _dialect(text: str, layout: Layout) -> Dialect:
    """Return the dialect given, or the one in which a row looks like a header, or that cuts rows into most cells."""
    for name in ("delimiter", "quote"):
        mark = getattr(layout, name)
        if mark is not None and (len(mark) != 1 or mark in "\r\n\0"):
            raise NOT_ONE_CHARACTER(mark=mark, name=name)
    quote = layout.quote or _quote(text)
    declared = layout.delimiter or csv_files.declared_delimiter(text)
    candidates = [Dialect(delimiter, quote) for delimiter in ([declared] if declared else _DELIMITERS)]
    return max(candidates, key=lambda dialect: _score(text, dialect))


def _score(text: str, dialect: Dialect) -> tuple[int, int]:
    """Return how many columns are recognised in the best row, and how many cells most rows have."""
    rows = [row for _, row in csv_files.head_rows(text, dialect)]
    recognised = max((sum(recognise(cell) is not None for cell in row) for row in rows), default=0)
    widths = [len(row) for row in rows]
    return recognised, max(set(widths), key=widths.count) if widths else 0


def _quote(text: str) -> str:
    first = text.partition("\n")[0].strip()
    return "'" if first.startswith("'") and first.endswith("'") and '"' not in first else '"'


def _detect_jsonl(open_: Open, layout: Layout) -> Layout:
    found = replace(layout, encoding=_encoding(open_, layout))
    return replace(found, columns=find_columns(json_lines.read_headers(open_, found), layout.columns))


def _detect_xlsx(open_: Open, layout: Layout) -> Layout:
    _require_plain(layout)
    rows, sheet = xlsx_files.head_rows(open_, layout.sheet)
    return replace(layout, sheet=sheet, columns=detect_columns(rows, layout.columns))


def _detect_parquet(open_: Open, layout: Layout) -> Layout:
    _require_plain(layout)
    return replace(layout, columns=find_columns(parquet_files.read_schema(open_).names, layout.columns))


def _require_plain(layout: Layout) -> None:
    """Refuse to unpack what has to be read back and forth: it would have to lie somewhere, in the clear."""
    if layout.compression != NONE:
        raise COMPRESSED_TWICE(format=layout.format)


_DETECTORS: Final[dict[Format, Callable[[Open, Layout], Layout]]] = {
    Format.CSV: _detect_csv,
    Format.JSONL: _detect_jsonl,
    Format.XLSX: _detect_xlsx,
    Format.PARQUET: _detect_parquet,
}
