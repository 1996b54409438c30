"""Reads exported files straight, without our code."""

import csv
import io
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pyarrow.parquet as pq

Rows = list[dict[str, str]]

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read(form: str, file: bytes) -> Rows:
    """Return the rows of a file in a format."""
    readers: dict[str, Any] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet, "xlsx": _xlsx}
    rows: Rows = readers[form](file)
    return rows


def _csv(file: bytes) -> Rows:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def _jsonl(file: bytes) -> Rows:
    return [orjson.loads(line) for line in file.splitlines()]


def _parquet(file: bytes) -> Rows:
    rows: Rows = pq.read_table(io.BytesIO(file)).to_pylist()
    return rows


def _xlsx(file: bytes) -> Rows:
    with zipfile.ZipFile(io.BytesIO(file)) as book:
        name = next(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        rows = list(ET.fromstring(book.read(name)).iter(f"{_SHEET}row"))  # noqa: S314 (made here)
    cells = [["".join(cell.itertext()) for cell in row.iter(f"{_SHEET}c")] for row in rows]
    return [dict(zip(cells[0], row, strict=False)) for row in cells[1:]]
