"""What the process that reads a file is told, and in what its answers come: apart from `reading`, which loads a lot."""

from array import array
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

import orjson

BLOBS: Final = ("names", "lines", "nicknames", "sns", "sealed", "tags")
"""What follows a piece's header, in this order, if it has it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be read, and how: bytes in hexadecimal.

    The file has `received` bytes. `first` is the ordinal of the first row. `secret_owner` has a place for a device's
    id. With `is_correction` the rows carry the lines that they replace, and `lines` of these are read; `columns` are
    those of the file that they correct, which they have too unless they have others.
    """

    path: str
    key: str
    received: int
    name: str
    layout: Mapping[str, Any]
    columns: Mapping[str, str] | None
    batch_id: int
    first: int
    rows_per_part: int
    memory: int
    directory: str
    master_key: str
    secret_owner: str
    is_correction: bool
    lines: int


def write_order(order: Order, lines: Container[int] | None) -> bytes:
    """Write what is to be read, for stdin."""
    numbers = array("I", sorted(lines)).tobytes() if isinstance(lines, set) else b""
    return orjson.dumps(asdict(order)) + b"\n" + numbers


def read_order(stream: BinaryIO) -> tuple[Order, set[int] | None]:
    """Return what `write_order` was given.

    Raises EOFError if not all of it comes.
    """
    written = stream.readline()
    if not written.endswith(b"\n"):
        raise EOFError
    order = Order(**orjson.loads(written))
    numbers = array("I")
    rest = stream.read(order.lines * numbers.itemsize)
    if len(rest) < order.lines * numbers.itemsize:
        raise EOFError
    numbers.frombytes(rest)
    return order, set(numbers) if order.is_correction else None
