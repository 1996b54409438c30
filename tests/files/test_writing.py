import csv
import io
from typing import Any

import openpyxl
import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from nameplate.files.columns import COLUMNS
from nameplate.files.formulas import defused, undefused
from nameplate.files.layout import Format
from nameplate.files.spreadsheets import write_workbook
from nameplate.files.tags import as_text
from nameplate.files.templates import template
from nameplate.files.writing import write
from tests.support.lists import read_all

ROWS = [
    {"DeviceName": "-sn-0001", "Nickname": "客厅灯", "DeviceSecret": "@bc", "Sn": "A1", "Tags": as_text({"a": "=1+1"})},
    {"DeviceName": "@sn-0002", "Nickname": "", "DeviceSecret": "0" * 32, "Sn": "007", "Tags": as_text({})},
    {"DeviceName": "a_x0041_b", "Nickname": "lamp", "DeviceSecret": "-1", "Sn": "", "Tags": as_text({"b": "<&>\"'"})},
]


@pytest.mark.parametrize("form", Format)
def test_what_is_written_reads_back_as_it_was(form: Format) -> None:
    data = b"".join(write(form, [ROWS[:1], [], ROWS[1:]], COLUMNS))
    rows, findings = read_all(data, "devices.bin")
    assert findings == []
    first = 1 if form in {Format.JSONL, Format.PARQUET} else 2
    assert rows == [
        {name: value or None for name, value in row.items()}
        | {"line": line, "Tags": orjson.loads(row["Tags"]) if row["Tags"] else None}
        for line, row in enumerate(ROWS, first)
    ]


@pytest.mark.parametrize("form", Format)
def test_a_list_without_rows_has_its_columns(form: Format) -> None:
    data = b"".join(write(form, [], ["DeviceName", "IotId"]))
    there: dict[Format, Any] = {
        Format.CSV: lambda: next(csv.reader(io.StringIO(data.decode()))),
        Format.XLSX: lambda: [cell.value for cell in next(_sheet(data).iter_rows())],
        Format.JSONL: lambda: ["DeviceName", "IotId"] if data == b"" else None,
        Format.PARQUET: lambda: pq.read_table(io.BytesIO(data)).column_names,
    }
    assert there[form]() == ["DeviceName", "IotId"]


@pytest.mark.parametrize("form", Format)
def test_a_file_comes_while_its_rows_are_asked_for(form: Format) -> None:
    asked = 0

    def pages() -> Any:
        nonlocal asked
        for _ in range(50):
            asked += 1
            yield [{"DeviceName": f"sn-{asked:04d}-{number:06d}"} for number in range(2_000)]

    chunks = write(form, pages(), ["DeviceName"])
    assert next(chunk for chunk in chunks if len(chunk) > 1_000)
    assert asked < 10
    chunks.close()  # type: ignore[attr-defined] # a generator


def test_no_cell_of_csv_is_a_formula() -> None:
    texts = ["=1+1", "+cmd", "-x", "@sum", "\tx", "\rx", "-5", "+8613800", "plain", "", "'=x"]
    data = b"".join(write(Format.CSV, [[{"a": text} for text in texts]], ["a"])).decode()
    written = [row[0] if row else "" for row in csv.reader(io.StringIO(data, newline=""))][1:]
    assert written == ["'=1+1", "'+cmd", "'-x", "'@sum", "'\tx", "'\rx", "-5", "+8613800", "plain", "", "'=x"]


@given(st.text(min_size=1).filter(lambda text: not text.startswith("'")))
def test_what_was_defused_is_undefused(text: str) -> None:
    assert undefused(defused(text)) == text


def test_every_cell_of_a_workbook_is_text_and_stays_so() -> None:
    row = {"DeviceName": "00012", "Sn": "=1+1", "Nickname": "\x01 <&>\r\n_x0041_", "Tags": "8.61E+14"}
    sheet = _sheet(b"".join(write(Format.XLSX, [[row]], COLUMNS)))
    assert [unescape(cell.value or "") for cell in sheet[2]] == [
        "00012",
        "\x01 <&>\r\n_x0041_",
        "",
        "=1+1",
        "8.61E+14",
    ]
    assert {cell.data_type for cell in sheet[2]} <= {"s", "n"}
    assert {cell.number_format for cell in sheet[2]} == {"@"}
    assert sheet.column_dimensions["A"].number_format == "@"
    assert sheet.freeze_panes == "A2"


def test_a_workbook_goes_on_in_another_sheet_when_one_is_full() -> None:
    pages = [[[f"sn-{number:04d}"] for number in range(start, start + 7)] for start in (0, 7, 14)]
    data = b"".join(write_workbook("Devices", ["DeviceName"], pages, rows_per_sheet=9))
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["Devices", "Devices 2", "Devices 3"]
    found = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book]
    assert [rows[0] for rows in found] == ["DeviceName"] * 3
    assert [row for rows in found for row in rows[1:]] == [f"sn-{number:04d}" for number in range(21)]
    assert [len(rows) for rows in found] == [9, 9, 6]


@pytest.mark.parametrize("form", Format)
def test_a_template_is_a_list_without_devices(form: Format) -> None:
    rows, findings = read_all(template(form), f"template.{form}")
    assert rows == []
    assert [finding.problem for finding in findings] == (["is missing"] if form == Format.JSONL else [])


def _sheet(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data)).active
