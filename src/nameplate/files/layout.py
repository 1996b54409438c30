"""How a file is laid out: its format, and what a reader of that format has to know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final, Self

from nameplate.files.unreadable import NO_COLUMNS, NO_SUCH_MEMBER, NO_SUCH_VALUE, NO_TEXT

Open = Callable[[], BinaryIO]
"""Opens a file from its beginning; a file is read more than once."""

NONE: Final = "none"
GZIP: Final = "gzip"
ZSTD: Final = "zstd"
COMPRESSIONS: Final = (GZIP, ZSTD, NONE)

_TEXTS: Final = ("compression", "encoding", "delimiter", "quote", "sheet")


class Format(StrEnum):
    """What kind of file it is."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read; None is to be found out.

    `columns` leads from a column (DeviceName, Nickname, DeviceSecret, Sn, Tags, tag:KEY) to the file's header for it,
    or to its number, counted from 1, in a file without a header.
    """

    format: Format | None = None
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    sheet: str | None = None
    columns: Mapping[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is known, as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def of_correction(self) -> "Layout":
        """Return what is known of the corrections of this file before they are seen: under which headers they are.

        People save them in another encoding, or another format. Of a file without a header they have one.
        """
        given = (self.columns or {}).items()
        return Layout(columns={column: column if header.isdecimal() else header for column, header in given})

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read a JSON object.

        Raises UnreadableFileError if a member is unknown or is not what it should be.
        """
        for name, value in given.items():
            _require(name, value)
        known = dict(given)
        if "format" in known:
            known["format"] = Format(known["format"])
        return cls(**known)


def _require(name: str, value: object) -> None:
    if name == "format":
        _require_one_of(name, value, [known.value for known in Format])
    elif name == "compression":
        _require_one_of(name, value, COMPRESSIONS)
    elif name == "columns":
        if not isinstance(value, dict) or not all(isinstance(text, str) for pair in value.items() for text in pair):
            raise NO_COLUMNS()
    elif name not in _TEXTS:
        raise NO_SUCH_MEMBER(name=name, known=", ".join(Layout.__dataclass_fields__))
    elif not isinstance(value, str):
        raise NO_TEXT(name=name)


def _require_one_of(name: str, value: object, known: Sequence[str]) -> None:
    if value not in known:
        raise NO_SUCH_VALUE(name=name, value=value, known=", ".join(known))
