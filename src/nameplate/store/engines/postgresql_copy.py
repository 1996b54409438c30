"""The rows of a binary COPY. Arrow puts whole columns in order and together: no Python object per row.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, repeat
from operator import attrgetter
from struct import Struct, pack
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from nameplate.store.database import NewDevices

# What every row has before its id, and between that and the length of its name: how many columns there are, and each
# one's length before it.
_BEGIN: Final = Struct(">hi")
_MIDDLE: Final = Struct(">iiiq")
_INTEGER: Final = 4
_LONG: Final = 8
_SIZE: Final = Struct(">i")
_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL: Final = b"\xff\xff"
# Pieces, so that the server reads some while others are on their way.
_PIECE_BYTES: Final = 65_536


def copied(parts: Sequence[NewDevices], now: int, columns: Sequence[str]) -> Iterator[bytes | memoryview]:
    """Write new devices, in the order of products and names, a piece at a time."""
    yield _HEAD
    of_product = attrgetter("product_id")
    for product_id, group in groupby(sorted(parts, key=of_product), key=of_product):
        rows = memoryview(_rows(product_id, list(group), now, columns))
        for start in range(0, len(rows), _PIECE_BYTES):
            yield rows[start : start + _PIECE_BYTES]
    yield _TAIL


def _rows(product_id: int, parts: Sequence[NewDevices], now: int, columns: Sequence[str]) -> pa.Buffer:
    numbers = [number for part in parts for number in part.numbers]
    ids = pa.py_buffer(pack(f">{len(numbers)}q", *numbers))
    ids = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_LONG), len(numbers), [None, ids]).cast(pa.binary())
    names = _binary([name for part in parts for name in orjson.loads(part.names)])
    rest = [_texts(parts, [part.nicknames for part in parts])]
    if "secret" in columns:
        rest.append(_texts(parts, [part.sns for part in parts]))
        rest.append(_column(parts, [part.secrets for part in parts]))
    if not pc.all(pc.less(names[:-1], names[1:])).as_py():
        order = pc.array_sort_indices(names)
        ids, names = ids.take(order), names.take(order)
        rest = [None if column is None else column.take(order) for column in rest]
    begin = _BEGIN.pack(len(columns), _LONG)
    middle = _MIDDLE.pack(_INTEGER, product_id, _LONG, now)
    return _joined(_constant(begin), ids, _constant(middle), *chain(*map(_sized, (names, *rest))))


def _texts(parts: Sequence[NewDevices], written: Iterable[str | None]) -> pa.Array | None:
    return _column(parts, [text and orjson.loads(text) for text in written])


def _column(parts: Sequence[NewDevices], values: Sequence[Sequence[str | bytes | None] | None]) -> pa.Array | None:
    """Return a column of all parts; None if none has it."""
    if all(of_part is None for of_part in values):
        return None
    every = (repeat(None, part.rows) if own is None else own for part, own in zip(parts, values, strict=True))
    return _binary([*chain.from_iterable(every)])


def _sized(column: pa.Array | None) -> tuple[pa.Array | pa.Scalar, ...]:
    """Return the length that is written before each value, and the values; -1 is that of NULL."""
    null = _constant(_SIZE.pack(-1))
    if column is None:
        return (null,)
    lengths = pc.binary_length(column)
    most = pc.max(lengths).as_py() or 0
    sizes = _binary([_SIZE.pack(length) for length in range(most + 1)]).take(lengths)
    return pc.fill_null(sizes, null), pc.fill_null(column, _constant(b""))


def _joined(*columns: pa.Array | pa.Scalar) -> pa.Buffer:
    """Put all rows of some columns one after the other."""
    rows = pc.binary_join_element_wise(*columns, _constant(b""))
    return pc.binary_join(pa.ListArray.from_arrays([0, len(rows)], rows), b"")[0].as_buffer()


def _binary(values: Sequence[str | bytes | None]) -> pa.Array:
    return pa.array(values, pa.binary())


def _constant(value: bytes) -> pa.Scalar:
    return pa.scalar(value, pa.binary())
