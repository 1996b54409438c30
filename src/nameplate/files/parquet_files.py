"""Parquet: its columns of texts, a batch of rows at a time."""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from nameplate.files.columns import LINE, MOST_COLUMNS, TAG, TAGS
from nameplate.files.csv_records import CELL_LENGTH
from nameplate.files.layout import Layout, Open
from nameplate.files.rows import Block
from nameplate.files.unreadable import DAMAGED, LONG_CELL, NO_TEXT_COLUMN, TOO_MANY_COLUMNS

_ROWS: Final = 20_000
_BUFFER_BYTES: Final = 1 << 20
_MOST_THRIFT: Final = 16 << 20
_BROKEN: Final = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_blocks(open_: Open, layout: Layout, columns: Mapping[str, str]) -> Iterator[Block]:
    """Yield the rows of a Parquet file by column; rows are numbered from 1."""
    del layout
    first = 1
    with open_() as stream:
        for batch in read_batches(stream, list(columns.values())):
            texts = {column: _texts(column, header, batch.column(header)) for column, header in columns.items()}
            yield Block(array("I", range(first, first + batch.num_rows)), texts)
            first += batch.num_rows


def read_batches(stream: BinaryIO, headers: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, some columns or all of them."""
    try:
        yield from _file(stream).iter_batches(_ROWS, columns=headers)
    except _BROKEN as error:
        raise DAMAGED(error=error) from None


def read_schema(open_: Open) -> pa.Schema:
    """Return what the columns are."""
    with open_() as stream:
        try:
            schema = _file(stream).schema_arrow
        except _BROKEN as error:
            raise DAMAGED(error=error) from None
    if len(schema) > MOST_COLUMNS:
        raise TOO_MANY_COLUMNS(most=MOST_COLUMNS)
    return schema


def _file(stream: BinaryIO) -> pq.ParquetFile:
    # Column by column through a buffer, so that no more of a row group is in memory than is being read.
    return pq.ParquetFile(
        stream,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        thrift_string_size_limit=_MOST_THRIFT,
        thrift_container_size_limit=_MOST_THRIFT,
    )


def _texts(column: str, header: str, values: pa.Array) -> list[str]:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if column == TAGS and pa.types.is_map(kind):
        return [orjson.dumps(dict(pairs)).decode() if pairs else "" for pairs in values.to_pylist()]
    if not _is_text(kind) and not (column.startswith(TAG) or (column == LINE and pa.types.is_integer(kind))):
        raise NO_TEXT_COLUMN(header=header, type=kind)
    found: list[Any] = (values if _is_text(kind) else values.cast(pa.string())).to_pylist()
    texts = [text or "" for text in found] if values.null_count else found
    if max(map(len, texts), default=0) > CELL_LENGTH:
        raise LONG_CELL(most=CELL_LENGTH)
    return texts


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
