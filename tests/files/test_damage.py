import pytest

from nameplate.files.detection import detect
from nameplate.files.layout import Layout
from nameplate.files.reading import read
from nameplate.files.writing import csv_text
from tests.support.lists import collected, opener, places, read_all

SECRET = "0123456789abcdef0123456789abcdef"
HEADER = "DeviceName,Nickname,DeviceSecret,Sn,Tags\r\n"
GOOD = ("sn-{:06d}", "lamp_1", SECRET, "A1", "room=1")

DAMAGE = [
    # column, value, what the finding says, what it tells to do
    ("DeviceName", "8.61E+14", "a spreadsheet has shortened", "Format the column as text"),
    ("DeviceName", "8,61e+14", "a spreadsheet has shortened", "Format the column as text"),
    ("DeviceName", "123.0", "number with a fraction", "Write 123"),
    ("DeviceName", "sn-\u200b0001", "U+200B ZERO WIDTH SPACE", "Write sn-0001"),
    ("DeviceName", "\u202esn-0001", "U+202E RIGHT-TO-LEFT OVERRIDE", "Write sn-0001"),
    ("DeviceName", "sn-0001\ufeff", "U+FEFF", "Write sn-0001"),
    ("DeviceName", "ѕn-0001", "U+0455 CYRILLIC", "Write sn-0001"),
    ("DeviceName", "SN-Ο001", "U+039F GREEK", "Write SN-O001"),
    ("DeviceName", "ｓｎ-0001", "U+FF53 FULLWIDTH", "Write sn-0001"),
    ("DeviceName", "sn–0001", "U+2013 EN DASH", "Write sn-0001"),
    ("DeviceName", " sn-0001", "space before or after", "Write sn-0001"),
    ("DeviceName", "sn-0001\t", "space before or after it: a tab", "Write sn-0001"),
    ("DeviceName", "sn-0001\u3000", "U+3000 IDEOGRAPHIC SPACE", "Write sn-0001"),
    ("DeviceName", "\u200b sn-0001", "cannot be seen", "Write sn-0001"),
    ("DeviceName", "sn-\x0001", "NUL", "letters, digits"),
    ("DeviceName", "", "is missing", "Give every device a name"),
    ("DeviceName", "abc", "a length of 3", "4 to 32"),
    ("DeviceName", "12", "a length of 2", "taken zeros off"),
    ("DeviceName", "n" * 33, "a length of 33", "4 to 32"),
    ("DeviceName", "sn/0001#", "has /, #", "letters, digits and - _ @ . :"),
    ("DeviceName", "设备0001", "U+8BBE", "letters, digits and - _ @ . :"),
    ("DeviceName", "sn\ufffd0001", "could not be decoded", "UTF-8"),
    ("DeviceName", "#N/A", "error of the spreadsheet", "Mend the formula"),
    ("DeviceName", "'x-0001", "has '", "letters, digits"),
    ("Nickname", "lamp 1", "U+0020 SPACE", "letters, digits, _"),
    ("Nickname", "#REF!", "error of the spreadsheet", "Mend the formula"),
    ("Nickname", "灯" * 33, "a length of 33", "count twice"),
    ("DeviceSecret", f"{SECRET} ", "space before or after", "Write it again without them"),
    ("DeviceSecret", SECRET + "0", "a length of 33", "1 to 32"),
    ("DeviceSecret", "abc+def", "has +", "1 to 32"),
    ("Sn", "1.5E+10", "a spreadsheet has shortened", "Format the column as text"),
    ("Sn", "77.0", "number with a fraction", "Write 77"),
    ("Sn", "A-1", "has -", "letters, digits and _"),
    ("Tags", "room", "without =", "key=value"),
    ("Tags", "a b=1", "called 'a b'", "letters, digits"),
    ("Tags", "room=#N/A", "value for room", "can be read"),
    ("Tags", "room=1;room=2", "twice", "once"),
    ("Tags", '{"room"', "not JSON", "JSON"),
    ("Tags", "room=" + "x" * 129, "value for room", "at most 128"),
]


@pytest.mark.parametrize(("column", "value", "problem", "fix"), DAMAGE, ids=[repr(case[1][:20]) for case in DAMAGE])
def test_damage_is_named_with_what_to_do(column: str, value: str, problem: str, fix: str) -> None:
    rows, findings = read_all(_file({3: {column: value}}, 5).encode())
    assert [row["line"] for row in rows] == [2, 4, 5, 6]
    (finding,) = findings
    assert (finding.line, finding.column) == (3, column)
    assert problem in finding.problem
    assert fix in finding.fix
    assert finding.value == (None if column == "DeviceSecret" else value.replace("\0", "␀"))


def test_one_bad_row_in_a_hundred_of_every_kind_is_reported_once_with_row_and_column() -> None:
    count = 100 * len(DAMAGE)
    bad = {100 * at + 7: {column: value} for at, (column, value, _, _) in enumerate(DAMAGE)}
    rows, findings = read_all(_file(bad, count).encode())
    assert places(findings) == [(line, column) for line, cells in bad.items() for column in cells]
    assert [row["line"] for row in rows] == [line for line in range(2, count + 2) if line not in bad]


def test_two_bad_cells_of_a_row_are_two_findings_and_a_secret_is_never_shown() -> None:
    secret = f" {SECRET[:-1]}"
    rows, findings = read_all(_file({2: {"DeviceName": "x", "DeviceSecret": secret, "Tags": "y"}}, 1).encode())
    assert rows == []
    assert places(findings) == [(2, "DeviceName"), (2, "DeviceSecret"), (2, "Tags")]
    assert SECRET[:-1] not in repr(findings)


def test_a_name_that_looks_like_damage_is_taken_from_a_correction() -> None:
    data = b"Line,Problem,DeviceName\n17,x,1234.0\n"
    layout = detect(opener(data), "devices.csv", Layout())
    assert places(collected(read(opener(data), layout))[1]) == [(2, "DeviceName")]
    assert collected(read(opener(data), layout, is_correction=True)) == ([{"line": 17, "DeviceName": "1234.0"}], [])


def test_only_the_lines_asked_for_are_read() -> None:
    data = _file({4: {"DeviceName": "x"}, 5: {"DeviceName": "y"}}, 5).encode()
    layout = detect(opener(data), "devices.csv", Layout())
    rows, findings = collected(read(opener(data), layout, lines={2, 4}))
    assert [row["line"] for row in rows] == [2]
    assert places(findings) == [(4, "DeviceName")]


def _file(bad: dict[int, dict[str, str]], count: int) -> str:
    lines = [HEADER]
    for line in range(2, count + 2):
        cells = dict(zip(HEADER.strip().split(","), GOOD, strict=True)) | {"DeviceName": GOOD[0].format(line)}
        cells |= bad.get(line, {})
        lines.append(csv_text([cells.values()]))
    return "".join(lines)
