"""Parquet out, streamed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from nameplate.files.spreadsheets import Sink


def write_pages(pages: Iterable[Sequence[Mapping[str, str]]], columns: Sequence[str]) -> Iterator[bytes]:
    """Yield a file of texts, a chunk for each page; a column that a row does not have is null."""
    schema = pa.schema([(column, pa.string()) for column in columns])
    tables = (pa.table({name: [row.get(name) for row in page] for name in columns}, schema) for page in pages)
    return write_tables(schema, tables)


def write_tables(schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Yield a file of these tables, a row group for each."""
    sink = Sink()
    with pq.ParquetWriter(cast("BinaryIO", sink), schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            yield sink.take()
    yield sink.take()
