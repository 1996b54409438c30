"""Rows in the order of their names, however many: DuckDB sorts within a memory limit and spills to disk."""

import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from nameplate.files.columns import DEVICE_NAME
from nameplate.files.rows import Finding, Rows
from nameplate.files.veil import WIDTH, Veil

_THREADS: Final = 2
_SQL_TYPES: Final = {"nickname": "VARCHAR", "secret": "BLOB", "sn": "VARCHAR", "tags": "VARCHAR"}
_PADDED: Final = "regexp_full_match(name, '0[0-9]+')"
_SHORN: Final = "regexp_full_match(name, '[1-9][0-9]*')"
_UNPADDED: Final = "^[1-9][0-9]*$"


class Sorter:
    """Takes rows in any order and gives them back by name, then by line; a context manager."""

    def __init__(self, directory: Path, *, memory: int, is_correction: bool = False) -> None:
        """Spill into `directory`, which is the sorter's own: emptied now, removed in the end.

        `memory` is DuckDB's limit in bytes. A correction's names are taken as they are meant, whatever they look like.
        """
        self._directory = directory
        self._is_correction = is_correction
        self._veil = Veil()
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
        self._columns: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def add(self, rows: Rows) -> None:
        """Take some rows; all have the same columns."""
        if not len(rows):
            return
        table = self._table(rows)
        if not self._columns:
            self._create(table.column_names)
        self._connection.register("added", table)
        self._connection.execute(f"INSERT INTO rows SELECT {', '.join(self._columns)} FROM added")  # noqa: S608 (own names)
        self._connection.unregister("added")

    def ordered(self, size: int) -> Iterator[tuple[Rows, list[Finding]]]:
        """Yield all rows, `size` at once (the last have fewer), and findings about names that are not among them.

        Of a repeated name the row that comes first in the file is kept. Where most names of only digits are padded with
        zeros to one length, a shorter one is taken for one that has lost its zeros.
        """
        if not self._columns:
            return
        filters = _Filters(None if self._is_correction else self._padded_length())
        gathered = _Gathered(size)
        listed = ", ".join(self._columns)
        ordered = self._connection.sql(f"SELECT {listed} FROM rows ORDER BY name, line")  # noqa: S608 (own names)
        with ordered.to_arrow_reader(size) as batches:
            for batch in batches:
                sound, findings = filters.apply(batch)
                yield from gathered.add(self._rows(sound), findings)
        yield from gathered.rest()

    def _create(self, columns: list[str]) -> None:
        self._columns = columns
        others = "".join(f", {column} {_SQL_TYPES[column]}" for column in columns if column in _SQL_TYPES)
        self._connection.execute(f"CREATE TABLE rows (name VARCHAR, line UINTEGER{others})")

    def _padded_length(self) -> int | None:
        """Return the one length of names that are padded with zeros, if there are more of them than of shorter ones."""
        ((least, most, padded),) = self._all(
            f"SELECT min(strlen(name)), max(strlen(name)), count(*) FROM rows WHERE name < '1' AND {_PADDED}"  # noqa: S608 (a constant)
        )
        if least is None or least != most:
            return None
        ((shorter,),) = self._all(
            f"SELECT count(*) FROM rows WHERE name < ':' AND strlen(name) < {least:d} AND {_SHORN}"  # noqa: S608 (a number)
        )
        return int(least) if 0 < shorter < padded else None

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _table(self, rows: Rows) -> pa.Table:
        columns: dict[str, Any] = {
            "name": pa.array(rows.names, pa.string()),
            "line": pa.Array.from_buffers(pa.uint32(), len(rows), [None, pa.py_buffer(rows.lines)]),
        }
        if rows.nicknames is not None:
            columns["nickname"] = pa.array(rows.nicknames, pa.string())
        if rows.secrets is not None:
            covered = pa.py_buffer(self._veil.cover(rows.lines, rows.secrets))
            columns["secret"] = pa.Array.from_buffers(pa.binary(WIDTH), len(rows), [None, covered])
        if rows.sns is not None:
            columns["sn"] = pa.array(rows.sns, pa.string())
        if rows.tags is not None:
            columns["tags"] = pa.array(
                [orjson.dumps(tags).decode() if tags else None for tags in rows.tags], pa.string()
            )
        return pa.table(columns)

    def _rows(self, batch: pa.RecordBatch) -> Rows:
        rows = Rows(_lines(batch), batch.column("name").to_pylist())
        if "nickname" in self._columns:
            rows.nicknames = batch.column("nickname").to_pylist()
        if "secret" in self._columns:
            rows.secrets = self._veil.uncover(rows.lines, _data(batch.column("secret")))
        if "sn" in self._columns:
            rows.sns = batch.column("sn").to_pylist()
        if "tags" in self._columns:
            rows.tags = [orjson.loads(tags) if tags else None for tags in batch.column("tags").to_pylist()]
        return rows


class _Filters:
    """Finds the rows of sorted batches that are not to be kept."""

    def __init__(self, padded_length: int | None) -> None:
        self._padded_length = padded_length
        self._name: str | None = None
        self._line = 0

    def apply(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Finding]]:
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
            is_short = pc.and_(
                pc.less(pc.utf8_length(names), self._padded_length), pc.match_substring_regex(names, _UNPADDED)
            )
            shorn = pc.and_(is_short, is_new)
            findings += self._shorn(batch.filter(shorn))
            is_new = pc.and_not(is_new, shorn)
        return (batch if is_new.false_count == 0 else batch.filter(is_new)), findings

    def _repeated(self, batch: pa.RecordBatch, is_new: list[bool]) -> Iterator[Finding]:
        names, lines = batch.column("name").to_pylist(), _lines(batch)
        for name, line, new in zip(names, lines, is_new, strict=True):
            if new:
                self._name, self._line = name, line
                continue
            yield Finding(
                line, DEVICE_NAME, name, f"is repeated; it is first in line {self._line}", "Remove one of the rows."
            )

    def _shorn(self, batch: pa.RecordBatch) -> Iterator[Finding]:
        length = self._padded_length or 0
        for name, line in zip(batch.column("name").to_pylist(), _lines(batch), strict=True):
            problem = (
                f"is shorter than the file's names of {length} digits that begin with 0; it may have lost its zeros"
            )
            fix = f"Write {name.zfill(length)}, or send {name} as a correction if it is meant."
            yield Finding(line, DEVICE_NAME, name, problem, fix)


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


def _lines(batch: pa.RecordBatch) -> "array[int]":
    column = batch.column("line")
    lines = array("I")
    lines.frombytes(memoryview(column.buffers()[1])[column.offset * lines.itemsize :][: len(column) * lines.itemsize])
    return lines


def _data(column: pa.BinaryArray) -> bytes:
    """Return the values of a column without nulls, one after another."""
    _, offsets, data = column.buffers()
    places = memoryview(offsets).cast("i")
    return bytes(memoryview(data)[places[column.offset] : places[column.offset + len(column)]])
