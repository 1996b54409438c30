"""CSV text that quotes nothing, cut up by column: Arrow does it in a third of the time that rows take."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

_BOM: Final = "\ufeff"


def read_columns(text: str, delimiter: str, width: int, longest: int) -> list[list[str]] | None:
    """Return the cells of whole lines by column.

    None if one of the lines has not `width` cells, or a cell has more than `longest` bytes: then they have to be read
    row by row, to say which.
    """
    # Arrow takes one byte for a delimiter, and takes off the mark of a file, which in here is a cell's.
    if not delimiter.isascii() or text.startswith(_BOM):
        return None
    data = text.encode()
    names = [str(place) for place in range(width)]
    try:
        table = csv.read_csv(
            pa.py_buffer(data),
            csv.ReadOptions(use_threads=False, block_size=len(data), column_names=names),
            csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(check_utf8=False, column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        return None
    if any(pc.max(pc.binary_length(column)).as_py() > longest for column in table.columns):
        return None
    return [column.to_pylist() for column in table.columns]
