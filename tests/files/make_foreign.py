"""Makes the part of the corpus that comes from other people's programs: `python -m tests.files.make_foreign`.

It needs `soffice` (LibreOffice), and pandas with openpyxl and pyarrow, none of which the tests need.
"""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pandas as pd  # type: ignore[import-untyped]  # not a dependency: it runs where somebody has it

CORPUS: Final = Path(__file__).parent / "corpus"

# What somebody types into a sheet, or pastes: the program makes numbers, dates and truth values of it.
_TYPED: Final = """设备名称,备注名称,序列号,标签：room
sn-0001,客厅灯,A1,一楼
861234567890123,厨房灯,007,二楼
00861234567890,卧室灯,0012,
8.61E+14,书房灯,A4,
2024-01-02,阳台灯,A5,
TRUE,走廊灯,A6,
12.0,车库灯,A7,
=1+1,门灯,A8,
50%,院灯,A9,
 sn-0010 ,灯灯灯灯,A10,
"""
_READ_CSV: Final = "Text - txt - csv (StarCalc):44,34,76,1"
# Separator, quote, encoding and first line; every text quoted, cells as they are shown.
_SEMICOLONS: Final = "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false"
_TABS_UTF_16: Final = "csv:Text - txt - csv (StarCalc):9,34,65535,1"


def make() -> None:
    """Write every file."""
    with TemporaryDirectory() as directory:
        _libreoffice(Path(directory))
    _pandas()


def _libreoffice(directory: Path) -> None:
    typed = directory / "libreoffice.csv"
    typed.write_text(_TYPED)
    _convert(directory, typed, "xlsx", "libreoffice.xlsx", f"--infilter={_READ_CSV}")
    workbook = CORPUS / "libreoffice.xlsx"
    _convert(directory, workbook, _SEMICOLONS, "libreoffice-semicolons.csv")
    _convert(directory, workbook, _TABS_UTF_16, "libreoffice-utf-16.csv")
    _convert(directory, workbook, "ods", "libreoffice.ods")


def _convert(directory: Path, source: Path, into: str, name: str, *more: str) -> None:
    out = directory / name
    program = ["soffice", f"-env:UserInstallation={(directory / 'profile').as_uri()}", "--headless", *more]
    subprocess.run([*program, "--convert-to", into, "--outdir", str(out), str(source)], check=True)
    (made,) = out.iterdir()
    shutil.copyfile(made, CORPUS / name)


def _pandas() -> None:
    numbers = [861234567890123, 861234567890124, None]
    frame = pd.DataFrame(
        {
            "DeviceName": numbers,
            "Sn": ["A1", None, "A3"],
            "Nickname": ["客厅灯", "厨房灯", None],
            "Made": pd.to_datetime(["2026-01-01", None, "2026-01-03"]),
        }
    )
    frame.to_csv(CORPUS / "pandas-floats.csv")
    frame.to_excel(CORPUS / "pandas.xlsx", index=False)
    frame.to_parquet(CORPUS / "pandas-floats.parquet")
    whole = frame.astype({"DeviceName": "Int64"})
    whole.to_parquet(CORPUS / "pandas.parquet")
    whole.astype({"DeviceName": "string"}).to_json(
        CORPUS / "pandas.jsonl", orient="records", lines=True, force_ascii=False, date_format="iso"
    )


if __name__ == "__main__":
    make()
