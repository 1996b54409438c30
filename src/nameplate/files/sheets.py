"""The rows of a worksheet, as texts: what a reader of the sheet sees, and what the sheet has done to it."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from nameplate.files.rows import Problem
from nameplate.files.unreadable import DAMAGED
from nameplate.files.workbooks import DATE, Workbook, unescaped

Cells = dict[int, str]
Damage = dict[int, Problem]
Row = tuple[int, Cells, Damage]
"""A row's number, the texts of its cells by column (from 0), and those that are not what somebody entered."""

_AS_TEXT: Final = "Format the column as text, and enter the value again."
_TRUTH: Final = Problem("is a truth value, not a text", _AS_TEXT)
_A_DATE: Final = Problem("is a date that the spreadsheet has made of it", _AS_TEXT)
_FRACTION: Final = Problem("is a number with a fraction", _AS_TEXT)
_LOST: Final = Problem("is a number of more than 15 digits; a spreadsheet forgets the last ones", _AS_TEXT)
_INTEGER: Final = re.compile("-?[0-9]{1,15}")
_EXACT: Final = 10**15
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 (a spreadsheet's days have no zone)
_MOST_DAYS: Final = 2_958_466
_MOST_ROWS: Final = 1 << 20


def read_sheet(workbook: Workbook, name: str) -> Iterator[list[Row]]:
    """Yield the rows of a sheet that have cells, some at once, in the order of their numbers."""
    reader = _Reader(workbook)
    for _ in workbook.parse_sheet(name, reader.start, reader.end, reader.text):
        if reader.rows:
            rows, reader.rows = reader.rows, []
            yield rows


class _Reader:
    """Listens to a parser."""

    def __init__(self, workbook: Workbook) -> None:
        self.rows: list[Row] = []
        self._strings = workbook.shared_strings()
        self._formats = workbook.formats()
        self._number = 0
        self._column = -1
        self._cells: Cells = {}
        self._damage: Damage = {}
        self._texts: list[str] = []
        self._is_text = False
        self._is_sound = False
        self._type = ""
        self._style = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name in {"v", "t"}:
            self._is_text = not self._is_sound
        elif name == "row":
            number = int(attributes.get("r", self._number + 1))
            if not self._number < number <= _MOST_ROWS:
                raise DAMAGED(error=f"row {number} after row {self._number}")
            self._number, self._column = number, -1
        elif name == "rPh":
            self._is_sound = True

    def text(self, text: str) -> None:
        if self._is_text:
            self._texts.append(text)

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._is_text = False
        elif name == "c":
            if self._texts:
                self._end_cell("".join(self._texts))
        elif name == "row":
            if self._cells:
                self.rows.append((self._number, self._cells, self._damage))
                self._cells, self._damage = {}, {}
        elif name == "rPh":
            self._is_sound = False

    def _start_cell(self, attributes: dict[str, str]) -> None:
        self._type, self._style = attributes.get("t", "n"), attributes.get("s", "0")
        place = attributes.get("r")
        self._column = self._column + 1 if place is None else _column(place.rstrip("0123456789"))
        self._texts.clear()

    def _end_cell(self, value: str) -> None:
        text, problem = self._value(value)
        self._cells[self._column] = text
        if problem is not None:
            self._damage[self._column] = problem

    def _value(self, value: str) -> tuple[str, Problem | None]:
        if self._type == "s":
            return self._strings[int(value)], None
        if self._type == "n":
            return _number(value, self._formats[int(self._style)] if self._formats else None)
        if self._type == "b":
            return ("TRUE" if value == "1" else "FALSE"), _TRUTH
        return unescaped(value), _A_DATE if self._type == "d" else None


def _number(value: str, form: str | int | None) -> tuple[str, Problem | None]:
    """Return a number as its cell shows it, and what is wrong with it."""
    number = float(value)
    if form == DATE and 0 <= number < _MOST_DAYS:
        return (_EPOCH + timedelta(days=number)).isoformat(sep=" ").removesuffix(" 00:00:00"), _A_DATE
    if not _INTEGER.fullmatch(value):
        if not number.is_integer():
            return value, _FRACTION
        if abs(number) >= _EXACT:
            return value, _LOST
        value = str(int(number))
    return (value.zfill(form) if isinstance(form, int) else value), None


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
