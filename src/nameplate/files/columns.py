"""The columns of a device list, and the headers that people write above them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from nameplate.domain.labels import is_tag_key
from nameplate.files.unreadable import (
    NO_DEVICE_NAME,
    NO_LINES,
    NO_SUCH_COLUMN,
    NO_SUCH_HEADER,
    NO_TAG_KEY,
    REPEATED_HEADER,
    TOO_MANY_COLUMNS,
    TWO_HEADERS,
)

DEVICE_NAME: Final = "DeviceName"
NICKNAME: Final = "Nickname"
DEVICE_SECRET: Final = "DeviceSecret"  # noqa: S105 (a header)
SN: Final = "Sn"
TAGS: Final = "Tags"
TAG: Final = "tag:"
COLUMNS: Final = (DEVICE_NAME, NICKNAME, DEVICE_SECRET, SN, TAGS)

LINE: Final = "Line"
PROBLEM: Final = "Problem"
MOST_COLUMNS: Final = 1_000

_HEADERS: Final = {
    DEVICE_NAME: "devicename name device 设备名称 设备名 设备 名称",
    NICKNAME: "nickname nick devicenickname alias 备注名称 备注名 设备备注名称 设备备注名 昵称 设备昵称 别名",
    DEVICE_SECRET: "devicesecret secret 设备密钥 密钥 设备秘钥 秘钥",
    SN: "sn s/n serial serialnumber serialno devicesn 序列号 设备序列号 产品序列号 sn码",
    TAGS: "tags tag label labels devicetags 标签 设备标签",
}
_COLUMNS: Final = {header: column for column, headers in _HEADERS.items() for header in headers.split()}
_TAG_PREFIXES: Final = ("tag:", "标签:")
_NOISE: Final = re.compile(r"[\s_\-*.\u200b-\u200f\u2060\ufeff]+")
_REMARK: Final = re.compile(r"\([^)]*\)\s*$")
_LISTED: Final = 20
_LINE_HEADER: Final = re.compile(r"(?:nameplate )*line", re.IGNORECASE)


def column_of(header: str) -> str | None:
    """Return the column that a header stands for, or None if it is none of ours.

    Case, spaces and a remark in brackets do not matter. Raises UnreadableFileError for a tag that cannot be one.
    """
    text = clean(unicodedata.normalize("NFKC", header))
    for prefix in _TAG_PREFIXES:
        if text.lower().startswith(prefix):
            return _tag_column(text[len(prefix) :].strip())
    return recognise(text)


def recognise(header: str) -> str | None:
    """Return the column that a header stands for in English or Chinese; a tag's own column is none."""
    text = _REMARK.sub("", clean(unicodedata.normalize("NFKC", header)))
    return _COLUMNS.get(_NOISE.sub("", text).lower())


def clean(header: str) -> str:
    """Return a header without what surrounds it."""
    return header.strip().lstrip("\ufeff").strip()


def find_columns(headers: Sequence[str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the file's header for each column it has: those given, and those recognised.

    Raises UnreadableFileError if there is no DeviceName, a given header is not there, or two are for one column.
    """
    if len(headers) > MOST_COLUMNS:
        raise TOO_MANY_COLUMNS(most=MOST_COLUMNS)
    cleaned = [clean(header) for header in headers]
    found = _given_columns(cleaned, given or {})
    _add_recognised(found, cleaned)
    if DEVICE_NAME not in found:
        raise NO_DEVICE_NAME(headers=_listed(cleaned))
    return found


def line_header(headers: Sequence[str]) -> str:
    """Return the header over the line numbers of a corrections file.

    Raises UnreadableFileError if there is none.
    """
    found = [clean(header) for header in headers if _LINE_HEADER.fullmatch(clean(header))]
    if not found:
        raise NO_LINES()
    return max(found, key=len)


def free_header(wanted: str, headers: Sequence[str]) -> str:
    """Return `wanted`, or another name that is not among the headers yet."""
    taken = {header.strip().lower() for header in headers}
    while wanted.lower() in taken:
        wanted = f"Nameplate {wanted}"
    return wanted


def _given_columns(headers: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, wanted in given.items():
        column, header = column_of(name), clean(wanted)
        if column is None:
            raise NO_SUCH_COLUMN(name=name, known=", ".join(COLUMNS))
        if headers.count(header) > 1:
            raise REPEATED_HEADER(header=header)
        if header in headers:
            found[column] = header
        elif header.isdecimal() and 0 < int(header) <= len(headers):
            found[column] = headers[int(header) - 1]
        else:
            raise NO_SUCH_HEADER(header=header, headers=_listed(headers))
    return found


def _add_recognised(found: dict[str, str], headers: Sequence[str]) -> None:
    given, taken = set(found), set(found.values())
    for header in headers:
        column = column_of(header)
        if column is None or column in given or header in taken:
            continue
        if column in found:
            raise TWO_HEADERS(first=found[column], second=header, column=column)
        found[column] = header


def _tag_column(key: str) -> str:
    if not is_tag_key(key):
        raise NO_TAG_KEY(key=key)
    return TAG + key


def _listed(headers: Sequence[str]) -> str:
    shown = ", ".join(repr(header[:40]) for header in headers[:_LISTED])
    return f"{shown} …" if len(headers) > _LISTED else shown
