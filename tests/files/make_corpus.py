"""Makes the corpus of awkward files anew: `python -m tests.files.make_corpus`. What is in each is in expected.json."""

import gzip
import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Final

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

CORPUS: Final = Path(__file__).parent / "corpus"
_SECRET: Final = "0123456789abcdef0123456789abcdef"

_LINES: Final = """{"DeviceName": "sn-0001", "Tags": {"room": 1}, "x": [1]}

{"DeviceName": 12345}
{"DeviceName": "sn-0003"
["sn-0004"]
{"DeviceName": "sn-0005", "Tags": null}
"""
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    # As the vendor's console gives the devices of a batch.
    "vendor-console.csv": (
        "utf-8-sig",
        f"ProductKey,DeviceName,DeviceSecret,IotId\r\na1B2c3D4e5F,sn-0001,{_SECRET},Xy1\r\na1B2c3D4e5F,sn-0002,,Xy2\r\n",
    ),
    # As a Chinese Excel saves CSV.
    "excel-chinese.csv": (
        "gbk",
        "设备名称（必填）,备注名称,标签：房间,序列号\r\nsn-0001,客厅灯,,S1\r\nsn-0002,厨房灯,,S2\r\n",
    ),
    "excel-chinese-tags.csv": ("gbk", "设备名称,备注名称,标签:room\r\nsn-0001,客厅灯,一楼\r\nsn-0002,厨房灯,\r\n"),
    # As Excel saves "Unicode text".
    "excel-unicode-text.txt": ("utf-16", "Device Name\tNickname\r\nsn-0001\t客厅灯\r\n"),
    "excel-europe.csv": ("utf-8", "sep=;\r\nDeviceName;Nickname\r\nsn-0001;lamp_1\r\nsn-0002;lamp_2\r\n"),
    "title-above.txt": ("utf-8", "Devices of line 4|\n|\ndevice_name|S/N\nsn-0001|A1\nsn-0002|A2\n"),
    "old-mac.csv": ("ascii", "DeviceName,Sn\rsn-0001,A1\rsn-0002,A2\r"),
    "line-breaks.csv": (
        "utf-8",
        'DeviceName,Comment,Sn\nsn-0001,"first\nsecond",A1\nsn-0002,"a ""b""\r\nc",A2\nsn-0003,,A3\n',
    ),
    "open-quote.csv": ("utf-8", 'DeviceName,Comment\nsn-0001,"open\nsn-0002,x\nsn-0003,"5"" tube"\nsn-0004,5" tube\n'),
    "open-quote-in-name.csv": ("utf-8", 'DeviceName,Sn\n"sn-0001,A1\nsn-0002,A2"\nsn-0003,A3\n'),
    "open-quote-at-end.csv": ("utf-8", 'DeviceName,Sn\nsn-0001,A1\nsn-0002,"A2\n'),
    "bare-list.csv": ("ascii", "sn-0001\n\nsn-0002\n"),
    # As pandas writes a column that had an empty cell.
    "pandas.csv": ("utf-8", ",DeviceName,Sn\n0,100001.0,A1\n1,100002.0,\n2,sn-0003,A3\n"),
    "ragged.csv": ("utf-8", "DeviceName,Sn\nsn-0001,A1,,\nsn-0002\nsn-0003,A3,x\n,\n\nsn-0004,A4\n"),
    "single-quotes.csv": ("utf-8", "'DeviceName','Sn'\n'sn-0001','A1'\n"),
    "tags.csv": (
        "utf-8",
        'DeviceName,Tags\nsn-0001,room=1;floor=2\nsn-0002,"{""room"": 1}"\nsn-0003,room\nsn-0004,a b=1\n',
    ),
    "apostrophes.csv": ("utf-8", "DeviceName,Sn\n'-sn-0001,A1\n'@sn-0002,A2\n'sn-0003,A3\n"),
    "nul.csv": ("ascii", "DeviceName,Sn\nsn-0001,A1\nsn-\x0002,A2\n"),
    "two-headers.csv": ("utf-8", "DeviceName,设备名称\nsn-0001,sn-0001\n"),
    "unknown-headers.csv": ("utf-8", "MAC,Colour\nsn-0001,red\n"),
    "no-mark.csv": ("utf-16-le", "DeviceName,Sn\nsn-0001,A1\n"),
    "french.csv": ("latin-1", "DeviceName,Nickname\n" + "sn-0001,Été à Paris\n" * 5),
    "lines.jsonl": ("utf-8", _LINES),
    "array.json": ("utf-8", '[{"DeviceName": "sn-0001"}]'),
    "empty.csv": ("utf-8", "\r\n\r\n"),
    "page.csv": ("utf-8", "<html><body>Please log in.</body></html>"),
}


def make() -> None:
    """Write every file."""
    CORPUS.mkdir(exist_ok=True)
    for name, (encoding, text) in _TEXTS.items():
        _write(name, text.encode(encoding))
    _write("big-endian.csv", b"\xfe\xff" + "DeviceName,Sn\nsn-0001,A1\n".encode("utf-16-be"))
    _write(
        "broken-utf-8.csv",
        "DeviceName,Nickname\nsn-0001,客厅灯\nsn-0002,厨房灯\n".encode().replace("厨".encode(), b"\xe5\x8e"),
    )
    plain = b"DeviceName\nsn-0001\nsn-0002\n"
    _write("packed.csv.gz", gzip.compress(plain, mtime=0))
    _write("packed.csv.zst", zstandard.compress(plain))
    _write("cut.csv.gz", gzip.compress(plain, mtime=0)[:-5])
    _write("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    _workbooks()
    _parquet()


def _workbooks() -> None:
    _damaged_workbook()
    _hidden_sheet()
    _entities()
    with zipfile.ZipFile(CORPUS / "archive.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("devices.csv"), "DeviceName\nsn-0001\n")


def _damaged_workbook() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"] = "List of June"
    cells = ["sn-0001", 861234567890123, 8612345678901234567, date(2026, 6, 1), True, 100001.5, 1234]
    for row, name in enumerate(["DeviceName", *cells], 3):
        sheet.cell(row, 2, name)
        sheet.cell(row, 3, "备注" if row == 3 else None)
    sheet["B10"].number_format = "00000000"
    sheet["B12"] = "#N/A"
    sheet["B12"].data_type = "e"
    sheet["B13"] = CellRichText("sn-", TextBlock(InlineFont(b=True), "0013"))
    sheet["B14"] = "sn-0014"
    sheet["D4"] = "a note where no column is"
    book.save(CORPUS / "workbook.xlsx")


def _hidden_sheet() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Lists"
    book.active.sheet_state = "hidden"
    book.active.append(["DeviceName"])
    shown = book.create_sheet("Devices")
    shown.append(["Device Name", "Tag: room"])
    shown.append(["sn-0001", 12])
    book.save(CORPUS / "hidden-sheet.xlsx")


def _entities() -> None:
    source = io.BytesIO((CORPUS / "hidden-sheet.xlsx").read_bytes())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(CORPUS / "entities.xlsx", "w") as new:
        for part in old.infolist():
            data = old.read(part)
            if part.filename.endswith("sheet2.xml"):
                data = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + data
            new.writestr(zipfile.ZipInfo(part.filename), data)


def _parquet() -> None:
    tags = pa.array([[("room", "1")], None], pa.map_(pa.string(), pa.string()))
    names = pa.array(["sn-0001", "sn 0002"]).dictionary_encode()
    pq.write_table(pa.table({"device_name": names, "tags": tags, "made": pa.array([1, 2])}), CORPUS / "table.parquet")
    pq.write_table(pa.table({"DeviceName": pa.array([10001, 10002])}), CORPUS / "numbers.parquet")


def _write(name: str, data: bytes) -> None:
    (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    make()
