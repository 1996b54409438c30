"""An XLSX file as it is written: all cells are texts, nothing lies on disk, the bytes come while rows are given."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr
from zipfile import ZIP_DEFLATED, ZipFile

ROWS_PER_SHEET: Final = 1_048_576

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_LEVEL: Final = 3
_WIDTH: Final = 36
# Number format 49 is text: what is entered into such a cell later is not made a number or a date.
_FONT: Final = '<sz val="11"/><name val="Calibri"/>'
_STYLES: Final = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}</font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="3">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\r]|_(?=x[0-9A-Fa-f]{4}_)")

Row = Sequence[str]


def write_workbook(
    title: str, headers: Row, pages: Iterable[Iterable[Row]], rows_per_sheet: int = ROWS_PER_SHEET
) -> Iterator[bytes]:
    """Yield a workbook of these rows, on as many sheets as they need, each with the headers on top."""
    sink = Sink()
    with ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        sheets = 0
        for rows in _sheets(_Pages(pages, rows_per_sheet - 1)):
            sheets += 1
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w") as part:
                part.write(_sheet_head(len(headers)))
                part.write(_row(headers, "2"))
                for page in rows:
                    part.write(b"".join(_row(row, "1") for row in page))
                    if written := sink.take():
                        yield written
                part.write(b"</sheetData></worksheet>")
        titles = [title if number == 1 else f"{title} {number}" for number in range(1, sheets + 1)]
        for name, text in _parts(titles):
            archive.writestr(name, text)
    yield sink.take()


class Sink(io.RawIOBase):
    """Takes bytes from a writer that knows files, until they are taken away."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        """Whether bytes may be written: yes."""
        return True

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override] # what there is to write
        """Take bytes."""
        chunk = bytes(data)
        self._chunks.append(chunk)
        return len(chunk)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


def _sheets(pages: "_Pages") -> Iterator[Iterator[list[Row]]]:
    """Yield for each sheet the pages of its rows; at least one sheet."""
    yield pages.next_sheet()
    while pages.has_more():
        yield pages.next_sheet()


class _Pages:
    def __init__(self, pages: Iterable[Iterable[Row]], rows_per_sheet: int) -> None:
        self._pages = iter(pages)
        self._room = rows_per_sheet
        self._page: list[Row] = []

    def has_more(self) -> bool:
        while not self._page:
            page = next(self._pages, None)
            if page is None:
                return False
            self._page = list(page)
        return True

    def next_sheet(self) -> Iterator[list[Row]]:
        room = self._room
        while room and self.has_more():
            page, self._page = self._page[:room], self._page[room:]
            room -= len(page)
            yield page


def _sheet_head(columns: int) -> bytes:
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f'<cols><col min="1" max="{columns}" width="{_WIDTH}" style="1" customWidth="1"/></cols><sheetData>'
    ).encode()


def _row(cells: Row, style: str) -> bytes:
    written = "".join(
        f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{_text(cell)}</t></is></c>' for cell in cells
    )
    return f"<row>{written}</row>".encode()


def _text(cell: str) -> str:
    escaped = escape(cell)
    if escaped.isalnum():
        return escaped
    return _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", escaped)


def _parts(titles: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the parts of a workbook that say what its other parts are."""
    numbers = range(1, len(titles) + 1)
    sheets = "".join(
        f'<sheet name={quoteattr(title)} sheetId="{number}" r:id="rId{number}"/>'
        for number, title in zip(numbers, titles, strict=True)
    )
    yield "xl/workbook.xml", f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
    yield "xl/styles.xml", _STYLES
    relations = [(f"rId{number}", "worksheet", f"worksheets/sheet{number}.xml") for number in numbers]
    yield "xl/_rels/workbook.xml.rels", _relations([*relations, ("rId0", "styles", "styles.xml")])
    yield "_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.xml")])
    kinds = [("workbook", "sheet.main"), ("styles", "styles")]
    kinds += [(f"worksheets/sheet{number}", "worksheet") for number in numbers]
    overrides = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{_TYPE}.{kind}+xml"/>' for name, kind in kinds
    )
    defaults = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
    )
    yield "[Content_Types].xml", f'{_XML}<Types xmlns="{_PACKAGE}/content-types">{defaults}{overrides}</Types>'


def _relations(relations: Iterable[tuple[str, str, str]]) -> str:
    written = "".join(f'<Relationship Id="{at}" Type="{_OFFICE}/{kind}" Target="{to}"/>' for at, kind, to in relations)
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{written}</Relationships>'
