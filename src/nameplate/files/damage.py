"""What happened to a value that is not allowed: what spreadsheets, editors and keyboards do to device lists."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from nameplate.files.rows import Problem
from nameplate.files.text import UNDECODABLE

SPREADSHEET_ERRORS: Final = frozenset(
    [
        "#N/A",
        "#REF!",
        "#NAME?",
        "#VALUE!",
        "#DIV/0!",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#GETTING_DATA",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
    ]
)
WHOLE_FLOAT: Final = re.compile(r"[0-9]+\.0")

_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-][0-9]+")
_INVISIBLE: Final = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff]"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LOOK_ALIKES: Final = str.maketrans(
    "АВЕЅZІЈКМНОРСТХУаеорсухіјѕԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ‐‑‒–—−﹣·",
    "ABESZIJKMHOPCTXYaeopcyxijsdhqwABEZHIKMNOPTYXovp-------.",
)
_NAMED: Final = 5
_MANY: Final = 16
_WRITE: Final = "Write "
_WITHOUT_VALUE: Final = "Write it again without them."

Predicate = Callable[[str], bool]


def explain(text: str, is_allowed: Predicate, rule: str, *, is_secret: bool) -> Problem:
    """Return what is wrong with a text that `is_allowed` does not allow, and what to write instead.

    `rule` says what is allowed. What is wrong with a secret is said without showing it.
    """
    for find in _FINDERS:
        problem = find(text, is_allowed)
        if problem is not None:
            return Problem(problem.text, _WITHOUT_VALUE) if is_secret and problem.fix.startswith(_WRITE) else problem
    # Four of a character are neither too few nor too many for any column.
    refused = [character for character in text if not is_allowed(character * 4)]
    if refused:
        return Problem(f"has {_listed(refused)}", rule)
    hint = " A spreadsheet may have taken zeros off." if text.isdigit() and len(text) < _MANY else ""
    return Problem(f"has a length of {len(text)}", rule + hint)


def _spreadsheet_error(text: str, _is_allowed: Predicate) -> Problem | None:
    if text.upper() not in SPREADSHEET_ERRORS:
        return None
    return Problem("is an error of the spreadsheet", "Mend the formula, and save its result as text.")


def _undecodable(text: str, _is_allowed: Predicate) -> Problem | None:
    if UNDECODABLE not in text:
        return None
    return Problem("has bytes that could not be decoded", "Save the file as UTF-8, or give its encoding.")


def _scientific(text: str, _is_allowed: Predicate) -> Problem | None:
    if not _SCIENTIFIC.fullmatch(text.strip()):
        return None
    return Problem(
        "is a number that a spreadsheet has shortened; digits are lost",
        "Format the column as text and enter the value again.",
    )


def _float(text: str, _is_allowed: Predicate) -> Problem | None:
    if not WHOLE_FLOAT.fullmatch(text):
        return None
    return Problem("is a number with a fraction, as programs write it", f"{_WRITE}{text[:-2]}")


def _invisible(text: str, is_allowed: Predicate) -> Problem | None:
    return _mended(text, _INVISIBLE.sub("", text), is_allowed, "has characters that cannot be seen")


def _spaces(text: str, is_allowed: Predicate) -> Problem | None:
    return _mended(text, text.strip(), is_allowed, "has space before or after it")


def _look_alikes(text: str, is_allowed: Predicate) -> Problem | None:
    return _mended(text, _latin(text), is_allowed, "has characters that only look like allowed ones")


_FINDERS: Final = (_spreadsheet_error, _undecodable, _scientific, _float, _invisible, _spaces, _look_alikes)


def _mended(text: str, mended: str, is_allowed: Predicate, problem: str) -> Problem | None:
    """Return the problem if a text is another when mended: with the characters that are gone, and what to write."""
    if mended == text:
        return None
    gone = _listed(character for character in text if character not in mended)
    whole = _latin(_INVISIBLE.sub("", mended).strip())
    fix = f"{_WRITE}{whole}" if is_allowed(whole) else "Enter it again; more is wrong with it."
    return Problem(f"{problem}: {gone}" if gone else problem, fix)


def _latin(text: str) -> str:
    return unicodedata.normalize("NFKC", text.translate(_LOOK_ALIKES)).translate(_LOOK_ALIKES)


def _listed(characters: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(characters))
    shown = ", ".join(_name(character) for character in distinct[:_NAMED])
    return f"{shown} …" if len(distinct) > _NAMED else shown


def _name(character: str) -> str:
    """Return a character as a reader can recognise it: itself if it is plain, its number and name otherwise."""
    if character.isascii() and character.isprintable() and character != " ":
        return character
    number = f"U+{ord(character):04X}"
    if _CONTROL.fullmatch(character):
        return {"\0": "NUL", "\n": "a line break", "\r": "a line break", "\t": "a tab"}.get(character, number)
    return f"{number} {unicodedata.name(character, '')}".rstrip()
