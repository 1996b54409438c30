"""A query of DuckDB that runs while its rows are given: they are sorted as they come and lie in no table before."""

from collections.abc import Iterator
from queue import Queue
from threading import Thread
from typing import Final

import duckdb
import pyarrow as pa

_WAITING: Final = 2
_BATCH: Final = 10_000
_NAME: Final = "added"


class _ClosedError(Exception):
    """Nobody wants the results any more."""


class Stream:
    """One query over tables that come one by one, which it calls `added`, in a thread of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: pa.Schema, query: str) -> None:
        self._connection = connection
        self._schema = schema
        self._query = query
        self._tables: Queue[pa.Table | None] = Queue(_WAITING)
        self._first: pa.RecordBatch | None = None
        self._rest: pa.RecordBatchReader | None = None
        self._error: Exception | None = None
        self._is_ended = False
        self._is_closed = False
        self._thread = Thread(target=self._run, name="sorting", daemon=True)
        self._thread.start()

    def give(self, table: pa.Table) -> None:
        """Give rows, once there is room. Raises what has ended the query."""
        if self._error is not None:
            raise self._error
        self._tables.put(table)

    def results(self) -> Iterator[pa.RecordBatch]:
        """Yield the query's rows, now that all are given. Raises what has ended the query."""
        self._tables.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._first is not None and self._rest is not None:
            yield self._first
            yield from self._rest

    def close(self) -> None:
        """End the query, whatever is left of it."""
        self._is_closed = True
        if self._thread.is_alive():
            self._tables.put(None)
            self._thread.join()
        if self._rest is not None:
            self._rest.close()

    def _run(self) -> None:
        try:
            self._connection.register(_NAME, pa.RecordBatchReader.from_batches(self._schema, self._batches()))
            self._rest = self._connection.sql(self._query).to_arrow_reader(_BATCH)
            # Nothing is sorted before the first is asked for.
            self._first = next(self._rest, None)
        except Exception as error:  # noqa: BLE001 (raised again where rows are given or taken)
            self._error = error
        finally:
            # Whoever gives rows must not wait for ever.
            while not self._is_ended:
                self._is_ended = self._tables.get() is None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while (table := self._tables.get()) is not None:
            if self._is_closed:
                raise _ClosedError
            yield from table.to_batches()
        self._is_ended = True
        if self._is_closed:
            raise _ClosedError
