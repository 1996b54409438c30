"""Finding out how a file is laid out: its compression, format, encoding, delimiter and columns.

Whatever was given is believed; the rest is found in a way that can be told: magic numbers, a byte order mark, a header.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from nameplate.domain.names import is_device_name
from nameplate.files import csv_files
from nameplate.files.columns import COLUMNS, DEVICE_NAME, column_of, find_columns, is_header, numbers
from nameplate.files.csv_records import Dialect
from nameplate.files.layout import Format, Layout, Open, UnreadableFileError
from nameplate.files.streams import BLOCK_BYTES, compression_of, open_plain
from nameplate.files.text import find_encoding, known_encoding, text_blocks

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
        raise UnreadableFileError("The file is empty.", "Put device names into it.")
    found = replace(layout, format=layout.format or _format_of(head, name))
    return _DETECTORS[found.format or Format.CSV](open_, found)


def _with_compression(open_: Open, given: Layout) -> Layout:
    with open_() as raw:
        found = compression_of(raw.read(4))
    if given.compression not in {None, found}:
        raise UnreadableFileError(
            f"The file is not compressed as {given.compression}, but: {found}.", "Leave that away."
        )
    return replace(given, compression=found)


def _format_of(head: bytes, name: str) -> Format:
    for magic, (what, fix) in _OTHERS.items():
        if head.lstrip()[:8].startswith(magic):
            raise UnreadableFileError(f"The file is {what}.", fix, byte=0)
    if head.startswith(b"PK"):
        return Format.XLSX
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    text = head[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    named = {suffix.lower() for suffix in PurePath(name).suffixes}
    if text.startswith(b"[") and named & set(_LINES_NAMED):
        raise UnreadableFileError(
            "The file is one JSON array.", "Write one object on each line, without commas between."
        )
    return Format.JSONL if text.startswith(b"{") else Format.CSV


def _detect_csv(open_: Open, layout: Layout) -> Layout:
    encoding = _encoding(open_, layout)
    with open_plain(open_, layout) as stream:
        text = next(text_blocks(stream, encoding), "")
    dialect = _dialect(text, layout)
    rows = [row for _, row in csv_files.head_rows(text, dialect)]
    if not rows:
        raise UnreadableFileError("The file is empty.", "Put device names into it.")
    return replace(
        layout,
        encoding=encoding,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        columns=_columns(rows, layout),
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
            raise UnreadableFileError(f"{mark!r} is not one character.", f"Give one character as the {name}.")
    quote = layout.quote or _quote(text)
    declared = layout.delimiter or csv_files.declared_delimiter(text)
    candidates = [Dialect(delimiter, quote) for delimiter in ([declared] if declared else _DELIMITERS)]
    return max(candidates, key=lambda dialect: _score(text, dialect))


def _score(text: str, dialect: Dialect) -> tuple[int, int]:
    """Return how many columns are recognised in the best row, and how many cells most rows have."""
    rows = [row for _, row in csv_files.head_rows(text, dialect)]
    recognised = max((sum(column_of(cell) in COLUMNS for cell in row) for row in rows), default=0)
    widths = [len(row) for row in rows]
    return recognised, max(set(widths), key=widths.count) if widths else 0


def _quote(text: str) -> str:
    first = text.partition("\n")[0].strip()
    return "'" if first.startswith("'") and first.endswith("'") and '"' not in first else '"'


def _columns(rows: Sequence[list[str]], layout: Layout) -> dict[str, str]:
    """Return the header of each column, found in the first row that looks like a header."""
    header = next((row for row in rows if is_header(row)), None)
    if layout.columns:
        if header is None and (numbered := numbers(layout.columns)) is not None:
            return _numbered(layout.columns, numbered, len(rows[0]))
        wanted = set(layout.columns.values())
        header = header or next((row for row in rows if wanted <= {cell.strip() for cell in row}), rows[0])
        return find_columns(header, layout.columns)
    if header is None and _is_bare_list(rows):
        return {DEVICE_NAME: "1"}
    return find_columns(header or rows[0], None)


def _numbered(given: object, numbered: dict[str, int], width: int) -> dict[str, str]:
    found = {column_of(name): str(place + 1) for name, place in numbered.items()}
    unknown = [name for name in numbered if column_of(name) is None]
    if unknown or DEVICE_NAME not in found or max(numbered.values()) >= width:
        raise UnreadableFileError(
            f"{given} does not fit a file of {width} columns.", "Give numbers of its columns, one for DeviceName."
        )
    return {column: number for column, number in found.items() if column is not None}


def _is_bare_list(rows: Sequence[list[str]]) -> bool:
    """Whether this is a list of names without a header: one column, all names, the first with a digit as names have."""
    return all(len(row) == 1 and is_device_name(row[0]) for row in rows) and re.search("[0-9]", rows[0][0]) is not None


_DETECTORS: Final[dict[Format, Callable[[Open, Layout], Layout]]] = {
    Format.CSV: _detect_csv,
}
