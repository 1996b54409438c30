import gzip
import io
import zipfile
from collections.abc import Callable

import pytest
import zstandard

from nameplate.files.layout import Format
from nameplate.files.streams import MOST_RATIO
from nameplate.files.unreadable import UnreadableFileError
from nameplate.files.writing import write
from tests.support.lists import read_all

HEADER = b"DeviceName,Sn\n"


def _gzip_bomb() -> bytes:
    return gzip.compress(HEADER + b"sn-0001,A1\n" * (12 << 20), 9)


def _zstd_bomb() -> bytes:
    return zstandard.compress(HEADER + b"sn-0001,A1\n" * (12 << 20))


def _workbook(part: str, data: bytes) -> bytes:
    """Return a workbook one part of which is another."""
    whole = io.BytesIO(b"".join(write(Format.XLSX, [[{"DeviceName": "sn-0001"}]], ["DeviceName"])))
    made = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for known in old.namelist():
            new.writestr(known, data if known == part else old.read(known))
    return made.getvalue()


def _sheet(rows: str) -> bytes:
    return _workbook("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{rows}</sheetData></worksheet>".encode())


def _laughs() -> bytes:
    entities = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    return _workbook("xl/worksheets/sheet1.xml", f"{entities}<worksheet>&b;</worksheet>".encode())


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a long line": (lambda: HEADER + b"x" * (2 << 20), "Line 2: The line is longer than 1,048,576 characters"),
    "a long cell": (lambda: HEADER + b'sn-0001,"' + b"x" * 200_000 + b'"\n', "Line 2: A cell is longer than 131,072"),
    "a long header": (lambda: b"DeviceName," + b"x" * 200_000 + b"\n", "A cell is longer than 131,072"),
    "many columns": (lambda: b"DeviceName" + b",x" * 1_000 + b"\n", "more than 1000 columns"),
    "many keys": (
        lambda: b"{" + b",".join(b'"%d":1' % number for number in range(1_001)) + b"}\n",
        "more than 1000 columns",
    ),
    "a gzip bomb": (_gzip_bomb, "more than 250 times longer"),
    "a zstd bomb": (_zstd_bomb, "more than 250 times longer"),
    "a zip bomb": (lambda: _workbook("xl/styles.xml", bytes(64 << 20)), "more than 250 times longer"),
    "a billion laughs": (_laughs, "declares a document type or entities"),
    "broken XML": (lambda: _sheet("<row>"[:-1]), "not well-formed"),
    "rows that go back": (lambda: _sheet('<row r="5"/><row r="4"/>'), "row 4 after row 5"),
    "a row beyond all": (lambda: _sheet('<row r="99999999"/>'), "row 99999999"),
    "a text that is not there": (lambda: _sheet('<row><c t="s"><v>7</v></c></row>'), "damaged"),
    "no JSON file at all": (lambda: b'{"DeviceName": ' + b"[" * 100_000, "The file is empty"),
    "a NUL in the header": (lambda: b"Dev\0iceName\nsn-0001\n", "NUL bytes|no column DeviceName"),
    "a compressed workbook": (
        lambda: gzip.compress(b"".join(write(Format.XLSX, [], ["DeviceName"]))),
        "xlsx is compressed in itself",
    ),
}


@pytest.mark.parametrize(("make", "problem"), CASES.values(), ids=CASES)
def test_what_is_too_large_or_made_to_harm_is_refused_with_a_clear_error(
    make: Callable[[], bytes], problem: str
) -> None:
    with pytest.raises(UnreadableFileError, match=problem) as refused:
        read_all(make(), "devices.bin")
    assert refused.value.fix


def test_a_cell_far_to_the_right_costs_nothing() -> None:
    row = (
        '<row r="1"><c r="A1" t="str"><v>DeviceName</v></c></row><row r="2"><c r="A2" t="str"><v>sn-0001</v></c></row>'
    )
    far = '<row r="1048576"><c r="A1048576" t="str"><v>sn-0002</v></c><c r="XFD1048576"><v>1</v></c></row>'
    rows, _ = read_all(_sheet(row + far))
    assert [row["line"] for row in rows] == [2, 1_048_576]


def test_a_workbook_may_write_its_elements_with_a_prefix() -> None:
    row = '<x:row r="1"><x:c r="A1" t="str"><x:v>DeviceName</x:v></x:c></x:row>'
    sheet = (
        f'<x:worksheet xmlns:x="urn:x"><x:sheetData>{row}{row.replace("DeviceName", "sn-0001").replace("1", "2", 2)}'
    )
    rows, _ = read_all(_workbook("xl/worksheets/sheet1.xml", f"{sheet}</x:sheetData></x:worksheet>".encode()))
    assert [row["line"] for row in rows] == [2]


def test_regular_names_are_no_bomb() -> None:
    text = b"".join(b"sn-%012d\n" % number for number in range(60_000))
    assert len(text) < len(zstandard.compress(text, 19)) * MOST_RATIO / 2
