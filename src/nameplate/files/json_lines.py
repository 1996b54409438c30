"""JSON lines: an object on each line."""

import io
from array import array
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

import orjson

from nameplate.domain.labels import tag_value
from nameplate.files.columns import LINE, MOST_COLUMNS, TAG, TAGS, column_of
from nameplate.files.csv_records import CELL_LENGTH
from nameplate.files.layout import Layout, Open
from nameplate.files.rows import ROWS_AT_ONCE, Block, Finding, Problem, shown
from nameplate.files.streams import open_plain
from nameplate.files.text import text_blocks
from nameplate.files.unreadable import EMPTY, LATE_KEY, LONG_CELL, TOO_MANY_COLUMNS

_NOT_TEXT: Final = Problem("is not a text", 'Write it in quotes, as in "0012".')

Object = dict[str, Any]


def read_blocks(open_: Open, layout: Layout, columns: Mapping[str, str]) -> Iterator[Block]:
    """Yield the rows of a file of JSON lines by column."""
    known = set(read_headers(open_, layout))
    for lines, objects, findings in _read(open_, layout):
        for line, row in zip(lines, objects, strict=True):
            if not known.issuperset(row):
                _require_known(line, row, known, columns)
        yield _block(lines, objects, findings, columns)


def read_objects(open_: Open, layout: Layout) -> Iterator[tuple[int, Object]]:
    """Yield every line's number and object, an empty one for a line that is none."""
    for lines, objects, findings in _read(open_, layout):
        broken: list[tuple[int, Object]] = [(finding.line, {}) for finding in findings]
        yield from sorted([*zip(lines, objects, strict=True), *broken], key=itemgetter(0))


def read_headers(open_: Open, layout: Layout) -> list[str]:
    """Return the keys of the objects in the first block of lines. Raises UnreadableFileError."""
    for _, objects, _ in _read(open_, layout):
        keys = list(dict.fromkeys(key for row in objects for key in row))
        if len(keys) > MOST_COLUMNS:
            raise TOO_MANY_COLUMNS(most=MOST_COLUMNS)
        if keys:
            return keys
    raise EMPTY()


def _read(open_: Open, layout: Layout) -> Iterator[tuple["array[int]", list[Object], list[Finding]]]:
    first = 1
    with open_plain(open_, layout) as stream:
        for text in text_blocks(stream, layout.encoding or "utf-8"):
            lines = list(io.StringIO(text, newline=""))
            for start in range(0, len(lines), ROWS_AT_ONCE):
                yield _parsed(first + start, lines[start : start + ROWS_AT_ONCE])
            first += len(lines)


def _parsed(first: int, texts: list[str]) -> tuple["array[int]", list[Object], list[Finding]]:
    lines, objects, findings = array("I"), [], []
    for line, text in enumerate(texts, first):
        if text.isspace():
            continue
        read = _loaded(line, text)
        if isinstance(read, Finding):
            findings.append(read)
        else:
            lines.append(line)
            objects.append(read)
    return lines, objects, findings


def _loaded(line: int, text: str) -> Object | Finding:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Finding(line, "", shown(text.strip()), f"is not JSON: {error.msg}", "Mend the line.")
    if isinstance(read, dict):
        return read
    return Finding(line, "", shown(text.strip()), "is not an object", 'Write {"DeviceName": "…"} on each line.')


def _block(lines: "array[int]", objects: list[Object], findings: list[Finding], columns: Mapping[str, str]) -> Block:
    block = Block(lines, {}, findings=findings)
    for column, header in columns.items():
        values: list[Any] = [row.get(header) for row in objects]
        if not set(map(type, values)) <= {str}:
            values = [_text(block, column, at, value) for at, value in enumerate(values)]
        if max(map(len, values), default=0) > CELL_LENGTH:
            raise LONG_CELL(most=CELL_LENGTH, line=lines[0])
        block.columns[column] = values
    return block


def _text(block: Block, column: str, at: int, value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    text = orjson.dumps(value).decode()
    is_right = (
        (column == TAGS and isinstance(value, dict))
        or (column.startswith(TAG) and tag_value(value) is not None)
        or (column == LINE and isinstance(value, int))
    )
    if not is_right:
        block.damage[column, at] = _NOT_TEXT
    return text


def _require_known(line: int, row: Object, known: set[str], columns: Mapping[str, str]) -> None:
    """Refuse a key that means a column and that the first lines do not have; a device would silently lack it."""
    for key in row.keys() - known:
        column = column_of(key)
        if column is not None and column not in columns:
            raise LATE_KEY(key=key, line=line)
        if len(known) < MOST_COLUMNS:
            known.add(key)
