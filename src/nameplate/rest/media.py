"""What the formats of files are called where HTTP names them."""

from typing import Final

from nameplate.files.layout import Format, Layout

MEDIA_TYPES: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSONL: "application/jsonl",
    Format.PARQUET: "application/vnd.apache.parquet",
}

SEALED: Final = "application/age"
"""A file that is sealed to somebody's key, whatever is in it."""


def suffix_of(layout: Layout) -> str:
    """Return what a file of this layout's name ends with."""
    return f".{(layout.format or Format.CSV).value}"
