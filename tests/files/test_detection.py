from dataclasses import replace

import pytest

from nameplate.files.columns import column_of
from nameplate.files.detection import detect
from nameplate.files.layout import Format, Layout
from nameplate.files.unreadable import UnreadableFileError
from tests.support.lists import opener, read_all

HEADERS = {
    "DeviceName": [
        "DeviceName",
        "device name",
        "DEVICE_NAME",
        " Name ",
        "设备名称",
        "设备名",
        "设备名称（必填）",
        "Device-Name *",
    ],
    "Nickname": ["nickname", "备注名称", "昵称", "Alias"],
    "DeviceSecret": ["device secret", "设备密钥", "DeviceSecret(32)"],
    "Sn": ["SN", "序列号", "Serial Number", "ｓｎ"],
    "Tags": ["tags", "标签"],
    "tag:room": ["tag:room", "Tag: room", "标签：room"],
}


@pytest.mark.parametrize(("column", "header"), [(column, one) for column, some in HEADERS.items() for one in some])
def test_a_header_is_recognised_in_english_and_chinese(column: str, header: str) -> None:
    assert column_of(header) == column


@pytest.mark.parametrize("header", ["IotId", "ProductKey", "Colour", "备注", "", "Line"])
def test_other_headers_are_left_alone(header: str) -> None:
    assert column_of(header) is None


def test_a_given_column_goes_before_a_recognised_one_and_the_others_are_still_found() -> None:
    rows, _ = read_all(b"Name,Serial,Nickname\nsn-0001,A001,lamp\n", given=Layout(columns={"DeviceName": "Serial"}))
    assert rows == [{"line": 2, "DeviceName": "A001", "Nickname": "lamp"}]


@pytest.mark.parametrize("column", ["2", "Serial"])
def test_a_column_may_be_given_by_number_or_header(column: str) -> None:
    rows, _ = read_all(b"Unit,Serial\n1,A001\n", given=Layout(columns={"DeviceName": column}))
    assert [row["DeviceName"] for row in rows if row["line"] == 2] == ["A001"]


def test_numbers_read_a_file_without_a_header_from_its_first_line() -> None:
    rows, _ = read_all(b"1;A001;lamp_1\n2;A002;lamp_2\n", given=Layout(columns={"DeviceName": "2", "Nickname": "3"}))
    assert [(row["line"], row["DeviceName"]) for row in rows] == [(1, "A001"), (2, "A002")]


GIVEN = {
    "delimiter": (Layout(delimiter="::"), "'::' is not one character"),
    "encoding": (Layout(encoding="rot13"), "'rot13' is not read here"),
    "compression": (Layout(compression="gzip"), "not compressed as gzip"),
    "column": (Layout(columns={"Colour": "x"}), "There is no column 'Colour'"),
    "header": (Layout(columns={"DeviceName": "Serial"}), "no column 'Serial'; it has 'DeviceName', 'Sn'"),
    "number": (Layout(columns={"DeviceName": "3"}), "no column '3'"),
}


@pytest.mark.parametrize(("given", "problem"), GIVEN.values(), ids=GIVEN)
def test_what_is_given_and_does_not_fit_is_refused(given: Layout, problem: str) -> None:
    with pytest.raises(UnreadableFileError, match=problem.replace(":", "[:]")):
        detect(opener(b"DeviceName,Sn\nsn-0001,A1\n"), "devices.csv", given)


BAD_LAYOUTS = [
    {"colour": "x"},
    {"format": "doc"},
    {"columns": {"DeviceName": 1}},
    {"delimiter": 1},
    {"compression": "xz"},
]


@pytest.mark.parametrize("given", BAD_LAYOUTS, ids=str)
def test_a_layout_of_json_is_checked(given: dict[str, object]) -> None:
    with pytest.raises(UnreadableFileError):
        Layout.from_json(given)


@pytest.mark.parametrize("encoding", ["windows-1252", "big5", "shift_jis", "utf-16-le", "GBK"])
def test_an_encoding_that_is_given_is_believed(encoding: str) -> None:
    rows, findings = read_all("DeviceName,Nickname\nsn-0001,lamp_1\n".encode(encoding), given=Layout(encoding=encoding))
    assert (len(rows), findings) == (1, [])


def test_chinese_far_behind_the_beginning_still_tells_the_encoding() -> None:
    lines = ["DeviceName,Nickname\n", *(f"sn-{number:07d},\n" for number in range(150_000)), "sn-last,客厅灯\n"]
    rows, findings = read_all("".join(lines).encode("gbk"))
    assert rows[-1] == {"line": 150_002, "DeviceName": "sn-last", "Nickname": "客厅灯"}
    assert findings == []


def test_one_broken_byte_among_chinese_utf_8_does_not_make_it_gbk() -> None:
    good = "".join(f"sn-{number:04d},客厅灯\n" for number in range(100)).encode()
    data = b"DeviceName,Nickname\n" + good + b"sn-9999," + "客厅灯".encode()[:-1] + b"\n"
    rows, findings = read_all(data)
    assert (len(rows), [finding.line for finding in findings]) == (100, [102])


def test_the_format_is_told_by_the_bytes_and_not_by_the_name() -> None:
    layout = detect(opener(b'{"DeviceName": "sn-0001"}\n'), "devices.xlsx", Layout())
    assert layout == replace(layout, format=Format.JSONL)


def test_a_key_that_comes_late_is_not_dropped_silently() -> None:
    lines = [f'{{"DeviceName": "sn-{number:07d}"}}\n' for number in range(60_000)]
    with pytest.raises(UnreadableFileError, match=r"Line 60001: The key 'Nickname' is here for the first time"):
        read_all("".join([*lines, '{"DeviceName": "sn-last", "Nickname": "lamp_1"}\n']).encode())
