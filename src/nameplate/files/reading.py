"""Reading a device list: well-formed rows, and findings about all others, streamed."""

import re
from array import array
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Final

from nameplate.files import csv_files, json_lines, parquet_files, xlsx_files
from nameplate.files.checks import check
from nameplate.files.columns import LINE, line_header
from nameplate.files.layout import Format, Layout, Open
from nameplate.files.rows import Block, Finding, Rows
from nameplate.files.unreadable import NO_LINE, TOO_MANY_LINES, UNREADABLE_CORRECTION

MOST_LINES: Final = 1 << 28
"""The highest line that a row may begin in."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}(?:\.0)?")

ReadBlocks = Callable[[Open, Layout, Mapping[str, str]], Iterator[Block]]
_READERS: Final[dict[Format, ReadBlocks]] = {
    Format.CSV: csv_files.read_blocks,
    Format.XLSX: xlsx_files.read_blocks,
    Format.JSONL: json_lines.read_blocks,
    Format.PARQUET: parquet_files.read_blocks,
}
_HEADERS: Final[dict[Format, Callable[[Open, Layout], Sequence[str]]]] = {
    Format.CSV: lambda open_, layout: csv_files.read_head(open_, layout).headers,
    Format.XLSX: lambda open_, layout: xlsx_files.read_head(open_, layout).headers,
    Format.JSONL: json_lines.read_headers,
    Format.PARQUET: lambda open_, _: parquet_files.read_schema(open_).names,
}


def read(
    open_: Open, layout: Layout, *, lines: Container[int] | None = None, is_correction: bool = False
) -> Iterator[tuple[Rows, list[Finding]]]:
    """Yield a file's rows, at most 50,000 at once, and what is wrong with others, in the order of the file.

    `layout` is complete, as `detection.detect` returns it. With `lines` only these are read. The rows of a correction
    carry their lines in a column of their own. Raises UnreadableFileError.
    """
    assert layout.format is not None
    assert layout.columns is not None
    columns = dict(layout.columns)
    seen = _Seen() if is_correction else None
    if seen is not None:
        columns[LINE] = line_header(_HEADERS[layout.format](open_, layout))
    for block in _READERS[layout.format](open_, layout, columns):
        _require_lines(block)
        chosen = block if seen is None else _renumbered(block, seen)
        if lines is not None:
            chosen = chosen.pick([line in lines for line in chosen.lines])
            chosen.findings = [finding for finding in chosen.findings if finding.line in lines]
        yield check(chosen, is_correction=is_correction)


def _require_lines(block: Block) -> None:
    if block.lines and block.lines[-1] > MOST_LINES:
        raise TOO_MANY_LINES(most=MOST_LINES)


def _renumbered(block: Block, seen: "_Seen") -> Block:
    """Return a block of a correction with the lines that its rows are to replace."""
    for finding in block.findings:
        raise UNREADABLE_CORRECTION(problem=finding.problem, fix=finding.fix, line=finding.line)
    lines = array("I")
    for at, text in zip(block.lines, block.columns.pop(LINE), strict=True):
        if not _NUMBER.fullmatch(text.strip()) or not seen.add(int(text.strip().removesuffix(".0"))):
            raise NO_LINE(text=text[:40], line=at)
        lines.append(int(text.strip().removesuffix(".0")))
    block.lines = lines
    return block


class _Seen:
    """The lines of a correction so far, a bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, line: int) -> bool:
        """Return whether a line is new, and can be one."""
        place, bit = line >> 3, 1 << (line & 7)
        if line > MOST_LINES:
            return False
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new
