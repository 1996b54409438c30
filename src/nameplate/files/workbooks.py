"""What is in an XLSX file besides its cells: sheets, shared texts, number formats; each part is bounded and safe XML.

Read here and not by a library: one that is fast forgets error values and number formats (and so leading zeros), and
holds a whole sheet in memory; one that knows them is five times slower.
"""

import posixpath
import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile

from nameplate.files.streams import MOST_RATIO
from nameplate.files.unreadable import (
    DAMAGED,
    EMPTY,
    NO_SUCH_SHEET,
    NO_WORKBOOK,
    OPEN_DOCUMENT,
    TOO_COMPRESSED,
    UNSAFE_XML,
)

_PART_BYTES: Final = 1 << 18
_MOST_BYTES: Final = 2 << 30
_FREE_BYTES: Final = 8 << 20
_MOST_STRINGS: Final = 256 << 20
_BROKEN: Final = (BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, IndexError, zlib.error)
_WORKBOOK: Final = "xl/workbook.xml"
_OPEN_DOCUMENT: Final = {"mimetype", "content.xml"}
_RELATIONS: Final = "xl/_rels/workbook.xml.rels"
_ESCAPE: Final = re.compile("_x(?![dD][89a-fA-F])([0-9A-Fa-f]{4})_")
_DATE_FORMATS: Final = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_NO_DATE: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|General', re.IGNORECASE)
_ZEROS: Final = re.compile("0{2,32}")

Start = Callable[[str, dict[str, str]], object]
End = Callable[[str], object]
DATE: Final = "date"


class Workbook:
    """An XLSX file, opened."""

    def __init__(self, stream: BinaryIO) -> None:
        """Raise UnreadableFileError if it is none, or is a bomb."""
        try:
            self._archive = ZipFile(stream)
        except (BadZipFile, ValueError, OSError) as error:
            raise DAMAGED(error=error) from None
        parts = {part.filename: part for part in self._archive.infolist()}
        if _WORKBOOK not in parts:
            raise OPEN_DOCUMENT() if parts.keys() >= _OPEN_DOCUMENT else NO_WORKBOOK()
        for part in parts.values():
            if part.file_size > min(_MOST_BYTES, _FREE_BYTES + MOST_RATIO * part.compress_size):
                raise TOO_COMPRESSED(ratio=MOST_RATIO, most="2 GiB")
        self._parts = frozenset(parts)
        self._sheets = self._find_sheets()

    def sheet_name(self, wanted: str | None) -> str:
        """Return the wanted sheet's name, or that of the first that can be seen. Raises UnreadableFileError."""
        if wanted is not None and wanted not in self._sheets:
            raise NO_SUCH_SHEET(sheet=wanted, known=", ".join(self._sheets))
        if not self._sheets:
            raise EMPTY()
        return wanted or next(iter(self._sheets))

    def parse_sheet(self, name: str, start: Start, end: End, text: Callable[[str], object]) -> Iterator[None]:
        """Parse a sheet, a piece with each step."""
        yield from self._parse(self._sheets[name], start, end, text)

    def shared_strings(self) -> list[str]:
        """Return the texts that cells refer to by number."""
        strings: list[str] = []
        reader = _Strings(strings)
        for _ in self._parse("xl/sharedStrings.xml", reader.start, reader.end, reader.text):
            pass
        return strings

    def formats(self) -> list[str | int | None]:
        """Return, for each cell style, DATE, to how many digits a number is padded with zeros, or None."""
        codes: dict[str, str] = {}
        styles: list[str | int | None] = []
        is_cell = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal is_cell
            if name == "numFmt":
                codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
            elif name == "cellXfs":
                is_cell = True
            elif name == "xf" and is_cell:
                number = attributes.get("numFmtId", "0")
                styles.append(_kind(number, codes.get(number)))

        def end(name: str) -> None:
            nonlocal is_cell
            is_cell = is_cell and name != "cellXfs"

        for _ in self._parse("xl/styles.xml", start, end, _ignore):
            pass
        return styles

    def _find_sheets(self) -> dict[str, str]:
        """Return the part of each worksheet, hidden ones last."""
        targets: dict[str, str] = {}
        sheets: list[tuple[bool, str, str]] = []

        def relation(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith("/worksheet"):
                target = attributes.get("Target", "")
                targets[attributes.get("Id", "")] = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")

        def sheet(name: str, attributes: dict[str, str]) -> None:
            reference = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            part = targets.get(reference, "")
            if name == "sheet" and part in self._parts:
                sheets.append((attributes.get("state", "visible") != "visible", attributes.get("name", ""), part))

        for part, start in ((_RELATIONS, relation), (_WORKBOOK, sheet)):
            for _ in self._parse(part, start, _ignore, _ignore):
                pass
        return {name: part for _, name, part in sorted(sheets, key=lambda found: found[0])}

    def _parse(self, part: str, start: Start, end: End, text: Callable[[str], object]) -> Iterator[None]:
        """Parse a part of the archive, if it is there; names are without their prefixes."""
        if part not in self._parts:
            return
        parser = expat.ParserCreate()
        parser.buffer_text = True
        _listen(parser, start, end)
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _refuse(part)
        try:
            with self._archive.open(part) as stream:
                while data := stream.read(_PART_BYTES):
                    parser.Parse(data, False)  # noqa: FBT003 (expat's own signature)
                    yield
                parser.Parse(b"", True)  # noqa: FBT003 (likewise)
        except expat.ExpatError:
            raise UNSAFE_XML(part=part) from None
        except _BROKEN as error:
            raise DAMAGED(error=error) from None
        yield


class _Strings:
    """Collects shared texts; how they are to be pronounced is not part of them."""

    def __init__(self, strings: list[str]) -> None:
        self._strings = strings
        self._texts: list[str] = []
        self._is_text = False
        self._is_sound = False
        self._size = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if name == "rPh":
            self._is_sound = True
        self._is_text = name == "t" and not self._is_sound

    def text(self, text: str) -> None:
        if self._is_text:
            self._texts.append(text)

    def end(self, name: str) -> None:
        self._is_text = False
        if name == "rPh":
            self._is_sound = False
        elif name == "si":
            string = unescaped("".join(self._texts))
            self._texts.clear()
            self._strings.append(string)
            self._size += len(string)
            if self._size > _MOST_STRINGS:
                raise TOO_COMPRESSED(ratio=MOST_RATIO, most="256 MiB of texts")


def unescaped(text: str) -> str:
    """Return a text without the escapes that XLSX writes for characters that XML does not have."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _kind(number: str, code: str | None) -> str | int | None:
    if code is None:
        return DATE if number.isdecimal() and int(number) in _DATE_FORMATS else None
    if _ZEROS.fullmatch(code):
        return len(code)
    return DATE if re.search("[dmyhs]", _NO_DATE.sub("", code), re.IGNORECASE) else None


def _listen(parser: expat.XMLParserType, start: Start, end: End) -> None:
    """Let a parser call handlers with names that have no prefix; nearly no file has any, and then nothing is added."""

    def first(name: str, attributes: dict[str, str]) -> None:
        is_prefixed = ":" in name
        parser.StartElementHandler = _local(start) if is_prefixed else start
        parser.EndElementHandler = _local(end) if is_prefixed else end
        parser.StartElementHandler(name, attributes)

    parser.StartElementHandler = first


def _local(handler: Callable[..., object]) -> Callable[..., object]:
    return lambda name, *others: handler(name.rpartition(":")[2], *others)


def _refuse(part: str) -> Callable[..., object]:
    def refuse(*_declared: object) -> None:
        raise UNSAFE_XML(part=part)

    return refuse


def _ignore(*_parsed: object) -> None:
    pass
