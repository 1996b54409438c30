"""The columns of a device list, and the headers that people write above them."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from nameplate.domain.labels import is_tag_key
from nameplate.files.layout import UnreadableFileError

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
    NICKNAME: "nickname devicenickname alias remarkname 备注名称 备注名 设备备注名称 设备备注名 昵称 设备昵称 别名",
    DEVICE_SECRET: "devicesecret secret 设备密钥 密钥 设备秘钥 秘钥",
    SN: "sn s/n serial serialnumber serialno devicesn 序列号 设备序列号 产品序列号 sn码",
    TAGS: "tags tag label labels devicetags 标签 设备标签",
}
_COLUMNS: Final = {header: column for column, headers in _HEADERS.items() for header in headers.split()}
_TAG_PREFIXES: Final = ("tag:", "标签:")
_NOISE: Final = re.compile(r"[\s_\-*.\u200b-\u200f\u2060\ufeff]+")
_REMARK: Final = re.compile(r"\([^)]*\)\s*$")
_LINE_HEADER: Final = re.compile(r"(?:nameplate )*line", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}")


def column_of(header: str) -> str | None:
    """Return the column that a header stands for, or None if it is none of ours.

    Case, spaces and a remark in brackets do not matter. Raises UnreadableFileError for a tag that cannot be one.
    """
    text = unicodedata.normalize("NFKC", header).strip().lstrip("\ufeff")
    for prefix in _TAG_PREFIXES:
        if text.lower().startswith(prefix):
            return _tag_column(text[len(prefix) :].strip())
    return _COLUMNS.get(_NOISE.sub("", _REMARK.sub("", text)).lower())


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row of cells looks like the header of a device list."""
    return any(_COLUMNS.get(_NOISE.sub("", _REMARK.sub("", _normal(cell))).lower()) == DEVICE_NAME for cell in cells)


def find_columns(headers: Sequence[str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the file's header for each column it has: those given, and those recognised if none are.

    Raises UnreadableFileError if there is no DeviceName, a given header is not there, or two are for one column.
    """
    if len(headers) > MOST_COLUMNS:
        raise UnreadableFileError(f"The file has more than {MOST_COLUMNS} columns.", "Keep those that devices need.")
    return _given_columns(headers, given) if given else _recognised_columns(headers)


def numbers(columns: Mapping[str, str]) -> dict[str, int] | None:
    """Return the places (from 0) of columns that are given by number, or None if they are given by header."""
    if not all(_NUMBER.fullmatch(header) for header in columns.values()):
        return None
    return {column: int(header) - 1 for column, header in columns.items()}


def places(headers: Sequence[str], columns: Mapping[str, str]) -> dict[str, int] | None:
    """Return the places (from 0) of columns under these headers, or None if one of them is not there."""
    stripped = [header.strip().lstrip("\ufeff") for header in headers]
    try:
        return {column: stripped.index(header) for column, header in columns.items()}
    except ValueError:
        return None


def line_header(headers: Sequence[str]) -> str:
    """Return the header over the line numbers of a corrections file.

    Raises UnreadableFileError if there is none.
    """
    found = [header.strip() for header in headers if _LINE_HEADER.fullmatch(header.strip())]
    if not found:
        raise UnreadableFileError(
            f"There is no column {LINE}.", "Correct the file of failed rows and leave Line in it."
        )
    return max(found, key=len)


def free_header(wanted: str, headers: Sequence[str]) -> str:
    """Return `wanted`, or another name that is not among the headers yet."""
    taken = {header.strip().lower() for header in headers}
    while wanted.lower() in taken:
        wanted = f"Nameplate {wanted}"
    return wanted


def _given_columns(headers: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    stripped = [header.strip().lstrip("\ufeff") for header in headers]
    found = {}
    for name, header in given.items():
        column = column_of(name)
        if column is None:
            raise UnreadableFileError(f"There is no column {name}.", f"Give some of {', '.join(COLUMNS)}, tag:KEY.")
        if stripped.count(header.strip()) > 1:
            raise UnreadableFileError(f"The file has several columns {header!r}.", "Rename all but one of them.")
        if header.strip() in stripped:
            found[column] = header.strip()
        elif _NUMBER.fullmatch(header) and int(header) <= len(stripped):
            found[column] = stripped[int(header) - 1]
        else:
            raise UnreadableFileError(f"The file has no column {header!r}; it has {_listed(headers)}.", "Give another.")
    return _require_name(found, headers)


def _recognised_columns(headers: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in headers:
        column = column_of(header)
        if column is None:
            continue
        if column in found:
            raise UnreadableFileError(
                f"Both {found[column]!r} and {header.strip()!r} mean {column}.",
                f"Rename one of them, or say which it is: {column}=header.",
            )
        found[column] = header.strip().lstrip("\ufeff")
    return _require_name(found, headers)


def _require_name(found: dict[str, str], headers: Sequence[str]) -> dict[str, str]:
    if DEVICE_NAME in found:
        return found
    raise UnreadableFileError(
        f"There is no column DeviceName (设备名称); the headers found are {_listed(headers)}.",
        "Rename one, or say which it is: DeviceName=header, or DeviceName=1 if the file has no header.",
    )


def _tag_column(key: str) -> str:
    if not is_tag_key(key):
        raise UnreadableFileError(
            f"{key!r} cannot be a tag's key.", "A key has 1 to 64 letters, digits and - _ . : @, and is not abc."
        )
    return TAG + key


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lstrip("\ufeff")


def _listed(headers: Sequence[str]) -> str:
    shown = ", ".join(repr(header.strip()[:40]) for header in headers[:20])
    return f"{shown} …" if len(headers) > 20 else shown or "none"  # noqa: PLR2004 (as many as a line holds)
