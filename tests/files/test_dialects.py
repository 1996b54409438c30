import csv
import gzip
import io
from contextlib import suppress
from typing import Any

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nameplate.files.layout import Layout
from nameplate.files.unreadable import UnreadableFileError
from tests.support.lists import read_all

NAMES = st.from_regex(r"[A-Za-z0-9\-_@.:]{4,32}", fullmatch=True).filter(lambda name: not name.endswith(".0"))
NICKNAMES = st.one_of(st.just(""), st.from_regex(r"[a-z0-9_客厅灯厨房]{4,16}", fullmatch=True))
COMMENTS = st.text(st.sampled_from("abc 1,;|\t\"'\n\r客-="), max_size=12)
ROWS = st.lists(st.tuples(NAMES, NICKNAMES, COMMENTS), min_size=1, max_size=30, unique_by=lambda row: row[0])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030", "utf-16-le", "utf-16-be"])
COMPRESSIONS: dict[str, Any] = {"none": lambda data: data, "gzip": gzip.compress, "zstd": zstandard.compress}


@given(
    ROWS,
    ENCODINGS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(sorted(COMPRESSIONS)),
)
def test_what_the_csv_module_writes_is_read_with_the_same_rows_and_lines(
    rows: list[tuple[str, str, str]], encoding: str, delimiter: str, end: str, quoting: int, compression: str
) -> None:
    # The csv module quotes only those line breaks that end its own lines.
    text, lines = _written(rows, delimiter, end, quoting if end == "\r\n" else csv.QUOTE_ALL)
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    data = COMPRESSIONS[compression](mark + text.encode(encoding))
    # A few Chinese characters prove no encoding: where there is neither a mark nor UTF-8 it is given.
    given = Layout(encoding=encoding) if encoding == "gb18030" else Layout()
    found, findings = read_all(data, given=given)
    assert findings == []
    assert [(row["line"], row["DeviceName"], row["Nickname"] or "") for row in found] == [
        (line, name, nickname) for line, (name, nickname, _) in zip(lines, rows, strict=True)
    ]


def _written(rows: list[tuple[str, str, str]], delimiter: str, end: str, quoting: int) -> tuple[str, list[int]]:
    """Return the file's text, and the line that each row begins in, counted as an editor does."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type] # one of its constants
    writer.writerow(["DeviceName", "Nickname", "Comment"])
    lines = []
    for row in rows:
        lines.append(len(io.StringIO(text.getvalue(), newline="").readlines()) + 1)
        writer.writerow(row)
    return text.getvalue(), lines


@given(st.binary(max_size=400))
def test_no_bytes_whatever_end_in_anything_but_rows_findings_or_a_clear_error(data: bytes) -> None:
    _read_or_refuse(data)
    _read_or_refuse(b"DeviceName,Sn\n" + data)
    _read_or_refuse(b'{"DeviceName": "sn-0001"}\n' + data)
    _read_or_refuse(b"PK\x03\x04" + data)
    _read_or_refuse(b"PAR1" + data + b"PAR1")


def _read_or_refuse(data: bytes) -> None:
    with suppress(UnreadableFileError):
        read_all(data)
