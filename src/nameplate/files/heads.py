"""Where a table's header is, and what stands under it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nameplate.domain.names import is_device_name
from nameplate.files.columns import DEVICE_NAME, clean, column_of, find_columns, recognise
from nameplate.files.unreadable import EMPTY, NO_HEADER, NO_SUCH_NUMBER

HEAD_ROWS: Final = 20
"""In how many rows a header is looked for; titles and remarks may stand above it."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,3}")

HeadRows = Sequence[tuple[int, list[str]]]
"""The first rows that are not empty, each with the line it ends in."""


@dataclass(frozen=True, slots=True)
class Head:
    """The header, the line it ends in (0 if there is none), and the place of each column."""

    headers: Sequence[str]
    line: int
    places: Mapping[str, int]


def find_head(rows: HeadRows, columns: Mapping[str, str], above: int = 0) -> Head:
    """Return the head of a table whose columns are known; `above` lines are no data in any case.

    Raises UnreadableFileError if it is not there.
    """
    if not rows:
        raise EMPTY()
    if (numbered := _numbers(columns)) is not None:
        width = len(rows[0][1])
        if max(numbered.values(), default=0) >= width:
            raise NO_SUCH_NUMBER(width=width)
        return Head([str(number) for number in range(1, width + 1)], above, numbered)
    for line, row in rows:
        headers = [clean(cell) for cell in row]
        if set(columns.values()) <= set(headers):
            return Head(headers, line, {column: headers.index(header) for column, header in columns.items()})
    raise NO_HEADER()


def detect_columns(rows: HeadRows, given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the header of each column, found in the first row that looks like a header; numbers if none does.

    Raises UnreadableFileError if there is neither a header nor one column of names, or what is given is not there.
    """
    if not rows:
        raise EMPTY()
    cells = [row for _, row in rows]
    header = next((row for row in cells if any(recognise(cell) == DEVICE_NAME for cell in row)), None)
    if header is None and given and (numbered := _numbers(given)) is not None:
        return _numbered(numbered, len(cells[0]))
    if header is None and not given and _is_bare_list(cells):
        return {DEVICE_NAME: "1"}
    wanted = {clean(name) for name in given.values()} if given else set()
    holding = next((row for row in cells if wanted and wanted <= {clean(cell) for cell in row}), None)
    return find_columns(holding or header or cells[0], given)


def _numbers(columns: Mapping[str, str]) -> dict[str, int] | None:
    """Return the places (from 0) of columns that are given by number, or None if they are given by header."""
    if not all(_NUMBER.fullmatch(header) for header in columns.values()):
        return None
    return {column: int(header) - 1 for column, header in columns.items()}


def _numbered(numbered: Mapping[str, int], width: int) -> dict[str, str]:
    found = {column_of(name): str(place + 1) for name, place in numbered.items()}
    if None in found or DEVICE_NAME not in found or max(numbered.values()) >= width:
        raise NO_SUCH_NUMBER(width=width)
    return {column: number for column, number in found.items() if column is not None}


def _is_bare_list(rows: Sequence[list[str]]) -> bool:
    """Whether this is a list of names without a header: one column, all names, the first with a digit as names have."""
    return all(len(row) == 1 and is_device_name(row[0]) for row in rows) and re.search("[0-9]", rows[0][0]) is not None
