"""What sorted names show: those that are repeated, and those that have lost their zeros."""

from array import array
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from nameplate.files.columns import DEVICE_NAME
from nameplate.files.rows import Finding

_SHORN: Final = "^[1-9][0-9]*$"


class Neighbours:
    """Looks at sorted batches, one after another."""

    def __init__(self, padded_length: int | None) -> None:
        """Take names of digits that are shorter than `padded_length`, if there is one, for shorn ones."""
        self._padded_length = padded_length
        self._name: str | None = None
        self._line = 0

    def check(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Finding]]:
        """Return the rows to keep, and a finding for each other."""
        names = batch.column("name")
        is_new = pc.not_equal(names, pa.concat_arrays([pa.array([self._name], pa.string()), names[:-1]]))
        is_new = is_new.fill_null(True)  # noqa: FBT003 (pyarrow's own signature)
        findings: list[Finding] = []
        if is_new.false_count:
            findings += self._repeated(batch, is_new.to_pylist())
        else:
            self._name, self._line = names[-1].as_py(), batch.column("line")[-1].as_py()
        if self._padded_length is not None:
            is_short = pc.less(pc.binary_length(names), self._padded_length)
            shorn = pc.and_(pc.and_(is_short, pc.match_substring_regex(names, _SHORN)), is_new)
            findings += self._shorn(batch.filter(shorn), self._padded_length)
            is_new = pc.and_not(is_new, shorn)
        return (batch.filter(is_new) if is_new.false_count else batch), findings

    def _repeated(self, batch: pa.RecordBatch, is_new: list[bool]) -> Iterator[Finding]:
        names, lines = batch.column("name").to_pylist(), lines_of(batch)
        for name, line, new in zip(names, lines, is_new, strict=True):
            if new:
                self._name, self._line = name, line
                continue
            problem = f"is repeated; it is first in line {self._line}"
            yield Finding(line, DEVICE_NAME, name, problem, "Remove one of the rows.")

    def _shorn(self, batch: pa.RecordBatch, length: int) -> Iterator[Finding]:
        problem = f"is shorter than the file's names of {length} digits that begin with 0; it may have lost its zeros"
        for name, line in zip(batch.column("name").to_pylist(), lines_of(batch), strict=True):
            fix = f"Write {name.zfill(length)}, or send {name} as a correction if it is meant."
            yield Finding(line, DEVICE_NAME, name, problem, fix)


def lines_of(batch: pa.RecordBatch) -> "array[int]":
    """Return the lines of a batch."""
    column = batch.column("line")
    lines = array("I")
    lines.frombytes(memoryview(column.buffers()[1])[column.offset * lines.itemsize :][: len(column) * lines.itemsize])
    return lines
