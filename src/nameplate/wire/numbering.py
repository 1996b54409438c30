"""How RepeatLists are numbered: DeviceName.1…N, or DeviceNameList.1.DeviceName… in rows."""

from collections.abc import Container, Sequence
from functools import lru_cache
from typing import Final

_PREPARED: Final = 10_000


def numbered(prefix: str, suffix: str, most: int) -> Sequence[str]:
    """Return the names of a list's first `most` values."""
    if most <= _PREPARED:
        return _prepared(prefix, suffix)[:most]
    return tuple(f"{prefix}{number}{suffix}" for number in range(1, most + 1))


@lru_cache(maxsize=16)
def _prepared(prefix: str, suffix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}{suffix}" for number in range(1, _PREPARED + 1))


def find_list(text: str, names: Sequence[str], prefixes: Container[str]) -> tuple[str, slice] | None:
    """Return the prefix of the first list in canonical text, if it is one of these, and which of the names it has.

    None also for a list that does not come whole and in order, as nearly all do.
    """
    at = text.find(".1=")
    if at < 0:
        return None
    prefix = text[text.rfind("&", 0, at) + 1 : at + 1]
    if prefix not in prefixes:
        return None
    first = text.count("&", 0, at)
    rows = slice(first, first + text.startswith(prefix) + text.count(f"&{prefix}"))
    return (prefix, rows) if tuple(names[rows]) == numbered(prefix, "", rows.stop - rows.start) else None
