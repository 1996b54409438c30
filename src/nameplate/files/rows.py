"""What is read from a file: rows that are well-formed, and findings about what is not."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final, TypeVar

VALUE_LENGTH: Final = 200
ROWS_AT_ONCE: Final = 50_000

_T = TypeVar("_T")


def shown(text: str) -> str:
    """Return a value as a finding shows it: cut, and without NUL, which not every database can store."""
    return text[:VALUE_LENGTH].replace("\0", "\N{SYMBOL FOR NULL}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one cell, or with a whole row (`column` is empty then).

    `value` is cut at 200 characters, and None for a secret and for a whole row.
    """

    line: int
    column: str
    value: str | None
    problem: str
    fix: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a cell, and what to do."""

    text: str
    fix: str


@dataclass(slots=True)
class Rows:
    """Rows by column, each with its line in the file; a column that the file does not have is None."""

    lines: "array[int]"
    names: list[str]
    nicknames: list[str | None] | None = None
    secrets: list[str | None] | None = None
    sns: list[str | None] | None = None
    tags: list[dict[str, str] | None] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def cut(self, start: int, end: int) -> "Rows":
        """Return the rows from place `start` to before place `end`."""
        part = slice(start, end)
        return Rows(
            self.lines[part],
            self.names[part],
            _cut(self.nicknames, part),
            _cut(self.secrets, part),
            _cut(self.sns, part),
            _cut(self.tags, part),
        )

    def joined(self, after: "Rows") -> "Rows":
        """Return these rows and others that have the same columns."""
        return Rows(
            self.lines + after.lines,
            self.names + after.names,
            _joined(self.nicknames, after.nicknames),
            _joined(self.secrets, after.secrets),
            _joined(self.sns, after.sns),
            _joined(self.tags, after.tags),
        )


def _cut(texts: list[_T] | None, part: slice) -> list[_T] | None:
    return None if texts is None else texts[part]


def _joined(before: list[_T] | None, after: list[_T] | None) -> list[_T] | None:
    return None if before is None or after is None else before + after


@dataclass(slots=True)
class Block:
    """Some rows as they are in a file: their texts by column, empty where a cell is.

    `damage` names cells, by column and place in the block, that no text can be made of; `findings` are about rows that
    are not in the block.
    """

    lines: "array[int]"
    columns: dict[str, list[str]]
    damage: dict[tuple[str, int], Problem] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def pick(self, wanted: Sequence[object]) -> "Block":
        """Return the rows whose place in `wanted` is true."""
        places = {old: new for new, old in enumerate(compress(range(len(self.lines)), wanted))}
        return Block(
            array("I", compress(self.lines, wanted)),
            {name: list(compress(texts, wanted)) for name, texts in self.columns.items()},
            {(name, places[at]): what for (name, at), what in self.damage.items() if at in places},
            self.findings,
        )
