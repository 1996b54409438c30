"""A device list to fill in."""

import codecs

from nameplate.files.columns import COLUMNS
from nameplate.files.layout import Format
from nameplate.files.writing import write


def template(format_: Format) -> bytes:
    """Return an empty device list: its header, or one line that shows the keys.

    The columns of a workbook are formatted as text, so that no number loses its zeros; a byte order mark tells a
    spreadsheet that CSV is UTF-8.
    """
    rows = [[dict.fromkeys(COLUMNS, "")]] if format_ == Format.JSONL else []
    file = b"".join(write(format_, rows, COLUMNS))
    return codecs.BOM_UTF8 + file if format_ == Format.CSV else file
