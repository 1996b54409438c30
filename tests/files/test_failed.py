"""The failed rows, corrected by a script and sent again, are the rows that were wrong."""

import csv
import io
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nameplate.files.detection import detect
from nameplate.files.failed import failed_rows
from nameplate.files.layout import Format, Layout
from nameplate.files.reading import read
from nameplate.files.rows import Finding
from nameplate.files.unreadable import UnreadableFileError
from tests.support.lists import collected, opener, places, read_all

HEADERS = ["设备名称", "Nickname", "Made", "Line"]
CELLS = [
    ["sn-0001", "lamp_1", "=1", "7"],
    ["sn 0002", "客厅灯", "2", "7"],
    ["sn-0003", "a b", "-x", "8"],
    ["sn-0004", "lamp_4", "4", "8"],
    ["x", "客", "5", "9"],
]
WRONG = [2, 3, 5]


def _csv(encoding: str, delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([HEADERS, *CELLS])
    return text.getvalue().encode(encoding)


def _xlsx() -> bytes:
    book, data = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for row in [HEADERS, *CELLS]:
        book.active.append(row)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"
    book.save(data)
    return data.getvalue()


def _parquet() -> bytes:
    data = io.BytesIO()
    columns: dict[str, Any] = {header: [row[at] for row in CELLS] for at, header in enumerate(HEADERS)}
    pq.write_table(pa.table(columns | {"Made": pa.array([1, 2, 3, 4, 5])}), data)
    return data.getvalue()


FILES = {
    "csv": lambda: _csv("utf-8", ","),
    "excel": lambda: _csv("utf-8-sig", ";"),
    "chinese": lambda: _csv("gb18030", "\t"),
    "wide": lambda: _csv("utf-16", "|"),
    "xlsx": _xlsx,
    "jsonl": lambda: b"".join(orjson.dumps(dict(zip(HEADERS, row, strict=True))) + b"\n" for row in CELLS),
    "parquet": _parquet,
}


@pytest.mark.parametrize("kind", FILES)
def test_failed_rows_come_in_their_own_format_and_read_back_corrected(kind: str) -> None:
    data = FILES[kind]()
    first = 1 if kind in {"jsonl", "parquet"} else 2
    lines = [first - 1 + number for number in WRONG]
    layout = detect(opener(data), "devices.bin", Layout())
    _, findings = collected(read(opener(data), layout))
    assert sorted({finding.line for finding in findings}) == lines
    failed = b"".join(failed_rows(opener(data), layout, findings))

    again = detect(opener(failed), "failed.bin", layout.of_correction())
    same = ("format", "encoding", "delimiter", "columns")
    assert [getattr(again, name) for name in same] == [getattr(layout, name) for name in same]
    _, found = collected(read(opener(failed), again, is_correction=True))
    assert places(found) == places(findings)

    corrected = _corrected(failed, again)
    rows, found = collected(read(opener(corrected), again, is_correction=True))
    assert found == []
    assert [(row["line"], row["DeviceName"]) for row in rows] == [
        (line, f"ok-{number:04d}") for line, number in zip(lines, WRONG, strict=True)
    ]


def test_what_is_wrong_is_said_beside_each_row_and_the_other_columns_are_kept() -> None:
    data = FILES["csv"]()
    layout = detect(opener(data), "devices.csv", Layout())
    _, findings = collected(read(opener(data), layout))
    text = b"".join(failed_rows(opener(data), layout, findings)).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["Nameplate Line", "Problem", *HEADERS]
    assert [row[0] for row in rows[1:]] == ["3", "4", "6"]
    assert rows[1][1].startswith("DeviceName has U+0020 SPACE. 4 to 32 letters")
    assert "DeviceName has a length of 1." in rows[3][1]
    assert "Nickname has a length of 1." in rows[3][1]
    assert [row[2:] for row in rows[1:]] == [
        ["sn 0002", "客厅灯", "2", "7"],
        ["sn-0003", "a b", "'-x", "8"],
        ["x", "客", "5", "9"],
    ]


def test_a_row_that_was_no_row_comes_with_the_cells_it_has() -> None:
    data = b'DeviceName,Sn\nsn-0001\nsn-0002,A2,x\n"sn-0003,A3\nsn-0004,A4\n'
    layout = detect(opener(data), "devices.csv", Layout())
    _, findings = collected(read(opener(data), layout))
    text = b"".join(failed_rows(opener(data), layout, findings)).decode()
    assert [row[0:1] + row[2:] for row in csv.reader(io.StringIO(text, newline=""))][1:] == [
        ["2", "sn-0001", ""],
        ["3", "sn-0002", "A2", "x"],
        ["4", "sn-0003,A3", ""],
    ]


def test_a_line_of_json_that_is_none_comes_with_its_keys() -> None:
    data = b'{"DeviceName": "sn-0001", "x": 1}\n{"DeviceName": \n'
    layout = detect(opener(data), "devices.jsonl", Layout())
    failed = b"".join(failed_rows(opener(data), layout, collected(read(opener(data), layout))[1]))
    assert orjson.loads(failed)["DeviceName"] is None
    assert orjson.loads(failed)["Line"] == 2


def test_a_bare_list_gets_a_header() -> None:
    data = b"sn-0001\nsn-0002\n"
    layout = detect(opener(data), "devices.csv", Layout())
    failed = b"".join(
        failed_rows(opener(data), layout, [Finding(2, "DeviceName", "sn-0002", "is taken", "Rename it.")])
    )
    assert failed == b"Line,Problem,DeviceName\r\n2,DeviceName is taken. Rename it.,sn-0002\r\n"
    again = detect(opener(failed), "failed.csv", layout.of_correction())
    assert collected(read(opener(failed), again, is_correction=True))[0] == [{"line": 2, "DeviceName": "sn-0002"}]


@pytest.mark.parametrize("kind", FILES)
def test_the_failed_rows_of_a_correction_keep_their_lines_in_any_order(kind: str) -> None:
    data = FILES[kind]()
    layout = detect(opener(data), "devices.bin", Layout())
    _, findings = collected(read(opener(data), layout))
    failed = b"".join(failed_rows(opener(data), layout, findings))
    again = detect(opener(failed), "failed.bin", layout.of_correction())
    twice = b"".join(failed_rows(opener(failed), again, findings[1:2], is_correction=True))
    found = detect(opener(twice), "failed.bin", layout.of_correction())
    _, still = collected(read(opener(twice), found, is_correction=True))
    assert {finding.line for finding in still} == {findings[1].line}


CORRECTIONS = {
    "DeviceName\nsn-0001\n": "no column Line",
    "Line,DeviceName\n,sn-0001\n": "Line 2: Line is ''",
    "Line,DeviceName\nx,sn-0001\n": "Line 2: Line is 'x'",
    "Line,DeviceName\n7,sn-0001\n7,sn-0002\n": "Line 3: Line is '7'",
    "Line,DeviceName\n7,sn-0001,x\n": "Line 2: A row of the correction cannot be read",
}


@pytest.mark.parametrize("text", CORRECTIONS)
def test_a_correction_that_does_not_say_which_lines_is_refused(text: str) -> None:
    layout = detect(opener(text.encode()), "failed.csv", Layout())
    with pytest.raises(UnreadableFileError, match=CORRECTIONS[text]):
        collected(read(opener(text.encode()), layout, is_correction=True))


def test_an_ordinary_file_may_have_a_column_called_line() -> None:
    rows, _ = read_all(b"Line,DeviceName\n9,sn-0001\n")
    assert rows == [{"line": 2, "DeviceName": "sn-0001"}]


def _corrected(failed: bytes, layout: Layout) -> bytes:
    """Give every row a right name and no nickname, and put the rows in as they were."""
    assert layout.format is not None
    return {Format.CSV: _corrected_csv, Format.XLSX: _corrected_xlsx, Format.JSONL: _corrected_jsonl}.get(
        layout.format, _corrected_parquet
    )(failed, layout)


def _corrected_csv(failed: bytes, layout: Layout) -> bytes:
    encoding = "utf-16" if layout.encoding == "utf-16-le" else str(layout.encoding)
    rows = list(csv.reader(io.StringIO(failed.decode(encoding), newline=""), delimiter=layout.delimiter or ","))
    for number, row in zip(WRONG, rows[1:], strict=True):
        row[2:4] = [f"ok-{number:04d}", ""]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=layout.delimiter or ",").writerows(rows)
    return text.getvalue().encode(encoding)


def _corrected_xlsx(failed: bytes, _: Layout) -> bytes:
    book, data = openpyxl.load_workbook(io.BytesIO(failed)), io.BytesIO()
    assert book.active is not None
    for number, row in zip(WRONG, book.active.iter_rows(min_row=2), strict=True):
        row[2].value, row[3].value = f"ok-{number:04d}", None
    book.save(data)
    return data.getvalue()


def _corrected_jsonl(failed: bytes, _: Layout) -> bytes:
    rows = [orjson.loads(line) for line in failed.splitlines()]
    changed = (
        row | {"设备名称": f"ok-{number:04d}", "Nickname": None} for number, row in zip(WRONG, rows, strict=True)
    )
    return b"".join(orjson.dumps(row) + b"\n" for row in changed)


def _corrected_parquet(failed: bytes, _: Layout) -> bytes:
    table, data = pq.read_table(io.BytesIO(failed)), io.BytesIO()
    names = pa.array([f"ok-{number:04d}" for number in WRONG])
    table = table.set_column(table.column_names.index("设备名称"), "设备名称", names)
    pq.write_table(table.set_column(3, "Nickname", pa.nulls(3, pa.string())), data)
    return data.getvalue()
