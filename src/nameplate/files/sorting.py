"""Rows in the order of their names, however many: DuckDB sorts within a memory limit and spills to disk."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from nameplate.files.neighbours import Neighbours, lines_of
from nameplate.files.rows import Finding, Rows
from nameplate.files.stream import Stream
from nameplate.files.veil import WIDTH, Veil

_THREADS: Final = 2


class Sorter:
    """Takes rows in any order and gives them back by name, then by line; a context manager."""

    def __init__(self, directory: Path, *, memory: int, is_correction: bool = False) -> None:
        """Spill into `directory`, which is the sorter's own: emptied now, removed in the end.

        `memory` is DuckDB's limit in bytes. A correction's names are taken as they are meant, whatever they look like.
        """
        self._directory = directory
        self._is_correction = is_correction
        self._veil = Veil()
        self._digits = _Digits()
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        self._connection = duckdb.connect(
            config={
                "memory_limit": f"{memory}B",
                "threads": _THREADS,
                "temp_directory": str(directory),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._connection.execute("SET enable_progress_bar = false")
        self._stream: Stream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()
        self._connection.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def add(self, rows: Rows) -> None:
        """Take some rows; all have the same columns."""
        if not len(rows):
            return
        table = self._table(rows)
        self._digits.count(table.column("name"))
        if self._stream is None:
            self._stream = Stream(self._connection, table.schema, "SELECT * FROM added ORDER BY name, line")
        self._stream.give(table)

    def ordered(self, size: int) -> Iterator[tuple[Rows, list[Finding]]]:
        """Yield all rows, `size` at once (the last have fewer), and findings about names that are not among them.

        Of a repeated name the row that comes first in the file is kept. Where most names of only digits are padded with
        zeros to one length, a shorter one is taken for one that has lost its zeros.
        """
        if self._stream is None:
            return
        neighbours = Neighbours(None if self._is_correction else self._digits.padded_length())
        gathered = _Gathered(size)
        for batch in self._stream.results():
            sound, findings = neighbours.check(batch)
            yield from gathered.add(self._rows(sound), findings)
        yield from gathered.rest()

    def _table(self, rows: Rows) -> pa.Table:
        columns: dict[str, Any] = {
            "name": pa.array(rows.names, pa.string()),
            "line": pa.Array.from_buffers(pa.uint32(), len(rows), [None, pa.py_buffer(rows.lines)]),
        }
        if rows.nicknames is not None:
            columns["nickname"] = pa.array(rows.nicknames, pa.string())
        if rows.secrets is not None:
            covered = self._veil.cover(rows.lines, rows.secrets)
            columns["secret"] = pa.Array.from_buffers(pa.binary(WIDTH), len(rows), [None, covered])
        if rows.sns is not None:
            columns["sn"] = pa.array(rows.sns, pa.string())
        if rows.tags is not None:
            columns["tags"] = pa.array(
                [orjson.dumps(tags).decode() if tags else None for tags in rows.tags], pa.string()
            )
        return pa.table(columns)

    def _rows(self, batch: pa.RecordBatch) -> Rows:
        there = batch.schema.names
        rows = Rows(lines_of(batch), batch.column("name").to_pylist())
        if "nickname" in there:
            rows.nicknames = batch.column("nickname").to_pylist()
        if "secret" in there:
            rows.secrets = self._veil.uncover(rows.lines, _data(batch.column("secret")))
        if "sn" in there:
            rows.sns = batch.column("sn").to_pylist()
        if "tags" in there:
            rows.tags = [orjson.loads(tags) if tags else None for tags in batch.column("tags").to_pylist()]
        return rows


class _Digits:
    """Counts the names of only digits by their length: those that begin with 0, and the others."""

    def __init__(self) -> None:
        self._padded: Counter[int] = Counter()
        self._others: Counter[int] = Counter()

    def count(self, names: pa.ChunkedArray) -> None:
        """Count some names."""
        is_number = pc.ascii_is_decimal(names)
        if not pc.any(is_number).as_py():
            return
        numbers = names.filter(is_number)
        is_padded = pc.starts_with(numbers, "0")
        self._padded += _lengths(numbers.filter(is_padded))
        self._others += _lengths(numbers.filter(pc.invert(is_padded)))

    def padded_length(self) -> int | None:
        """Return the one length of names that are padded with zeros, if there are more of them than of shorter ones."""
        if len(self._padded) != 1:
            return None
        ((length, count),) = self._padded.items()
        shorter = sum(number for other, number in self._others.items() if other < length)
        return length if 0 < shorter < count else None


class _Gathered:
    """Rows of batches of any size, given out in one size."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: Rows | None = None
        self._findings: list[Finding] = []

    def add(self, rows: Rows, findings: list[Finding]) -> Iterator[tuple[Rows, list[Finding]]]:
        """Yield what is complete."""
        self._findings += findings
        gathered = rows if self._rows is None else self._rows.joined(rows)
        while len(gathered) >= self._size:
            yield gathered.cut(0, self._size), self._findings
            gathered, self._findings = gathered.cut(self._size, len(gathered)), []
        self._rows = gathered

    def rest(self) -> Iterator[tuple[Rows, list[Finding]]]:
        """Yield what is left."""
        if self._rows is not None and (len(self._rows) or self._findings):
            yield self._rows, self._findings


def _lengths(names: pa.ChunkedArray) -> Counter[int]:
    return Counter({pair["values"]: pair["counts"] for pair in pc.binary_length(names).value_counts().to_pylist()})


def _data(column: pa.BinaryArray) -> pa.Buffer:
    """Return the values of a column without nulls, one after another."""
    _, offsets, data = column.buffers()
    places = memoryview(offsets).cast("i")
    start, end = places[column.offset], places[column.offset + len(column)]
    return data.slice(start, end - start)
