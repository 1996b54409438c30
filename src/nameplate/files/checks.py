"""Which cells of a block are well-formed.

A whole column is looked at first, in one pass; only where something is wrong with it is it looked at cell by cell.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import Final, cast

from nameplate.domain.imports import all_secrets, all_sns, is_imported_nickname, is_secret, is_sn
from nameplate.domain.names import all_device_names, is_device_name, is_nickname
from nameplate.files.columns import DEVICE_NAME, DEVICE_SECRET, NICKNAME, SN
from nameplate.files.damage import WHOLE_FLOAT, explain
from nameplate.files.formulas import undefused
from nameplate.files.rows import Block, Finding, Problem, Rows, shown
from nameplate.files.tags import read_tags

_line: Final = attrgetter("line")
_FLOAT_END: Final = ".0\n"
_MISSING: Final = Problem("is missing", "Give every device a name.")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a column may hold: one test for a cell, a fast one for all that may err on the strict side."""

    is_allowed: Callable[[str], bool]
    all_allowed: Callable[[list[str]], bool]
    text: str


def _pattern(each: str) -> Callable[[list[str]], bool]:
    """Return a test that every text of a list is empty or matches `each`, which matches no line end."""
    lines = re.compile(rf"(?:(?:{each})?\n)*")

    def all_match(texts: list[str]) -> bool:
        joined = "\n".join([*texts, ""])
        return joined.count("\n") == len(texts) and lines.fullmatch(joined) is not None

    return all_match


_NARROW: Final = r"[A-Za-z0-9_\u4e00-\u9fff]"
_NICKNAME: Final = "{} to 64 letters, digits, _ and Chinese or Japanese characters, which count twice, are allowed."
RULES: Final = {
    DEVICE_NAME: Rule(is_device_name, all_device_names, "4 to 32 letters, digits and - _ @ . : are allowed."),
    NICKNAME: Rule(is_nickname, _pattern(_NARROW + "{4,32}"), _NICKNAME.format(4)),
    DEVICE_SECRET: Rule(is_secret, all_secrets, "1 to 32 letters, digits and - _ @ . : are allowed."),
    SN: Rule(is_sn, all_sns, "1 to 64 letters, digits and _ are allowed."),
}
_IMPORTED_NICKNAME: Final = Rule(is_imported_nickname, _pattern(_NARROW + "{1,32}"), _NICKNAME.format(1))


def check(block: Block, *, is_correction: bool) -> tuple[Rows, list[Finding]]:
    """Return the well-formed rows of a block, and a finding for each cell of the others that is not.

    A value that is allowed but looks like damage (`123.0`) is a finding too, unless somebody has confirmed it by
    sending it in a correction.
    """
    problems: dict[tuple[str, int], Problem] = {}
    for column, rule in _rules(block.columns).items():
        texts = block.columns[column]
        if not _is_sound(column, texts, rule, is_correction=is_correction):
            problems |= _problems(column, texts, rule, is_correction=is_correction)
    tags, tag_problems = read_tags(block)
    problems |= tag_problems | block.damage
    if not problems:
        return _rows(block, tags), sorted(block.findings, key=_line)
    bad = {at for _, at in problems}
    found = [_finding(block, column, at, problem) for (column, at), problem in problems.items()]
    is_sound = [at not in bad for at in range(len(block.lines))]
    sound = _rows(block.pick(is_sound), None if tags is None else list(compress(tags, is_sound)))
    return sound, sorted([*block.findings, *found], key=_line)


def _rows(block: Block, tags: list[dict[str, str] | None] | None) -> Rows:
    nicknames, secrets, sns = (_optional(block.columns.get(column)) for column in (NICKNAME, DEVICE_SECRET, SN))
    return Rows(block.lines, block.columns[DEVICE_NAME], nicknames, secrets, sns, tags)


def _optional(texts: list[str] | None) -> list[str | None] | None:
    if texts is None or "" not in texts:
        return cast("list[str | None] | None", texts)
    return [text or None for text in texts]


def _rules(columns: Mapping[str, object]) -> dict[str, Rule]:
    rules = {column: rule for column, rule in RULES.items() if column in columns}
    if DEVICE_SECRET in rules and NICKNAME in rules:
        rules[NICKNAME] = _IMPORTED_NICKNAME
    return rules


def _is_sound(column: str, texts: list[str], rule: Rule, *, is_correction: bool) -> bool:
    if not rule.all_allowed(texts):
        return False
    return is_correction or column != DEVICE_NAME or _FLOAT_END not in "\n".join([*texts, ""])


def _problems(column: str, texts: list[str], rule: Rule, *, is_correction: bool) -> dict[tuple[str, int], Problem]:
    """Look at a column cell by cell, taking off apostrophes that were put on for spreadsheets."""
    found = {}
    for at, written in enumerate(texts):
        text = undefused(written)
        texts[at] = text
        if not text:
            problem = _MISSING if column == DEVICE_NAME else None
        elif not rule.is_allowed(text) or (column == DEVICE_NAME and not is_correction and WHOLE_FLOAT.fullmatch(text)):
            problem = explain(text, rule.is_allowed, rule.text, is_secret=column == DEVICE_SECRET)
        else:
            continue
        if problem is not None:
            found[column, at] = problem
    return found


def _finding(block: Block, column: str, at: int, problem: Problem) -> Finding:
    texts: Sequence[str] = block.columns[column]
    value = None if column == DEVICE_SECRET else shown(texts[at])
    return Finding(block.lines[at], column, value, problem.text, problem.fix)
