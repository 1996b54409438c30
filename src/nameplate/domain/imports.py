"""Which devices may be imported with a secret of the caller's own: the rules of the vendor's page of ImportDevice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nameplate.domain.batch import ILLEGAL_NAME, ILLEGAL_SECRET, ILLEGAL_SN, REPEATED_NAME
from nameplate.domain.names import ALPHANUMERIC, NAME_CHARACTERS, are_all_of, is_device_name, is_label

_SECRET: Final = re.compile(r"[A-Za-z0-9\-_@.:]{1,32}")
_SN: Final = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One device to import: what identifies it elsewhere."""

    name: str
    secret: str
    sn: str | None


@dataclass(frozen=True, slots=True)
class RefusedImport:
    """A row that may not be imported, and every reason why."""

    row: ImportedRow
    reasons: tuple[str, ...]


def is_secret(text: str) -> bool:
    """Whether `text` may be an imported secret: 1 to 32 of the characters that device names have."""
    return _SECRET.fullmatch(text) is not None


def all_secrets(texts: Sequence[str]) -> bool:
    """Whether every text is empty or may be an imported secret."""
    return are_all_of(texts, NAME_CHARACTERS, range(33))


def is_sn(text: str) -> bool:
    """Whether `text` may be a serial number: 1 to 64 letters, digits and `_`."""
    return _SN.fullmatch(text) is not None


def all_sns(texts: Sequence[str]) -> bool:
    """Whether every text is empty or may be a serial number."""
    return are_all_of(texts, ALPHANUMERIC + b"_", range(65))


def is_imported_nickname(text: str) -> bool:
    """Whether `text` may be the nickname of an imported device: 1 to 64 columns."""
    return is_label(text, 1, 64)


def refuse_imports(rows: Sequence[ImportedRow]) -> list[RefusedImport]:
    """Return the rows that may not be imported whatever the registry holds; of a repeated name each but the first."""
    seen: set[str] = set()
    refused = []
    for row in rows:
        reasons = _reasons(row, is_repeated=row.name in seen)
        seen.add(row.name)
        if reasons:
            refused.append(RefusedImport(row, reasons))
    return refused


def _reasons(row: ImportedRow, *, is_repeated: bool) -> tuple[str, ...]:
    checks = (
        (is_device_name(row.name), ILLEGAL_NAME),
        (not is_repeated, REPEATED_NAME),
        (is_secret(row.secret), ILLEGAL_SECRET),
        (row.sn is None or is_sn(row.sn), ILLEGAL_SN),
    )
    return tuple(reason for is_right, reason in checks if not is_right)
