"""RepeatLists: DeviceName.1…N, and rows as DeviceNameList.1.DeviceName. They may be long, so most is done in C."""

import re
from collections.abc import Mapping
from typing import Any, Final

from nameplate.errors import MISSING_PARAMETER
from nameplate.wire.numbering import numbered
from nameplate.wire.params import refuse_parameter

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


def read_texts(parameters: Mapping[str, str], prefix: str, there: int) -> list[str]:
    """Return the `there` values under `prefix`.

    That many names, all of 1…N among them, leave room for no other.
    """
    try:
        return [*map(parameters.__getitem__, numbered(prefix, "", there))]
    except KeyError as missing:
        raise refuse_parameter(missing.args[0], f"{prefix}N is numbered from 1 without gaps.") from None


def read_rows(
    parameters: Mapping[str, str],
    prefix: str,
    there: int,
    fields: Mapping[str, bool],
) -> list[tuple[str | None, ...]]:
    """Return the rows under `prefix`, which `there` parameters make.

    `fields` are the names of a row's fields in order, and whether each is required.
    """
    columns = [[parameters.get(name) for name in numbered(prefix, f".{field}", there)] for field in fields]
    rows = list(zip(*columns, strict=True))
    nothing = (None,) * len(columns)
    if nothing in rows:
        rows = rows[: rows.index(nothing)]
    read = sum(len(rows) - column[: len(rows)].count(None) for column in columns)
    if read != there:
        _refuse_strays(parameters, prefix, len(rows), list(fields))
    for (field, is_required), column in zip(fields.items(), columns, strict=True):
        if is_required and None in column[: len(rows)]:
            where = f"{prefix}{column.index(None) + 1}.{field}"
            raise MISSING_PARAMETER(name=field, where=where, hint="")
    return rows


def _refuse_strays(parameters: Mapping[str, Any], prefix: str, rows: int, fields: list[str]) -> None:
    """Refuse a name under `prefix` that is none of `rows` rows; unknown fields of a row are ignored."""
    for name in parameters:
        number, _, field = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and (not field or not _NUMBER.fullmatch(number) or int(number) > rows):
            listed = " or ".join(f"{prefix}N.{known}" for known in fields)
            raise refuse_parameter(name, f"Send {listed}, with N numbered from 1 without gaps.")
