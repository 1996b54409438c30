"""Cells that a spreadsheet would take for formulas: an apostrophe before them makes them texts."""

import re
from typing import Final

_BEGINNINGS: Final = frozenset("=+-@\t\r")
_ESCAPED: Final = tuple(f"'{beginning}" for beginning in sorted(_BEGINNINGS))
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def defused(text: str) -> str:
    """Return a text that no spreadsheet executes; a number needs no apostrophe."""
    return f"'{text}" if text[:1] in _BEGINNINGS and not _NUMBER.fullmatch(text) else text


def undefused(text: str) -> str:
    """Return the text that was defused."""
    return text[1:] if text.startswith(_ESCAPED) else text
