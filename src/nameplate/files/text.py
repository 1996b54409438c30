"""The text of a file: which encoding it is in, and its lines, a block at a time."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from nameplate.files.layout import Layout, Open
from nameplate.files.streams import BLOCK_BYTES, open_plain
from nameplate.files.unreadable import LONG_LINE, NO_ENCODING, NUL_BYTES, UNKNOWN_ENCODING

LINE_LENGTH: Final = 1 << 20
"""The longest line, in characters."""

UNDECODABLE: Final = "\ufffd"
"""What bytes that are no text are read as; no column may hold it."""

_UTF_8: Final = "utf-8"
_GB18030: Final = "gb18030"
_BOMS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_OTHERS: Final = (
    "ascii big5 euc-jp euc-kr gb18030 gb2312 gbk iso8859-1 iso8859-2 iso8859-5 iso8859-15 koi8-r shift_jis "
    "utf-16 utf-16-be utf-16-le utf-8 utf-8-sig cp932 cp949 cp950 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 "
    "cp1257 cp1258"
)
ENCODINGS: Final = frozenset(codecs.lookup(name).name for name in _OTHERS.split())

_MULTIBYTE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NON_ASCII: Final = re.compile(rb"[\x80-\xff]")
_SAMPLE_BYTES: Final = 4 << 20
_CHINESE: Final = 0.7


def known_encoding(name: str) -> str:
    """Return the usual name of an encoding that was given. Raises UnreadableFileError for one that is not read."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if found not in ENCODINGS:
        raise UNKNOWN_ENCODING(name=name, known=", ".join(sorted(ENCODINGS)))
    return _GB18030 if found in {"gbk", "gb2312"} else found


def find_encoding(open_: Open, layout: Layout) -> str:
    """Return the encoding of a file: by its byte order mark, else UTF-8 if all of it is, else GB18030 (and so GBK).

    Of what is neither, the few bytes that a UTF-8 file has broken become findings of their rows. Raises
    UnreadableFileError for anything else.
    """
    with open_plain(open_, layout) as stream:
        head = stream.read(4)
    for mark, name in _BOMS.items():
        if head.startswith(mark):
            return name
    if b"\0" in head:
        raise NUL_BYTES(byte=head.index(0))
    broken = _first_broken(open_, layout, _UTF_8)
    if broken is None:
        return _UTF_8
    sample = _sample(open_, layout)
    if _is_damaged_utf_8(sample, least=4):
        return _UTF_8
    if _is_chinese(sample) and _first_broken(open_, layout, _GB18030) is None:
        return _GB18030
    if _is_sparse(sample):
        return _UTF_8
    raise NO_ENCODING(byte=broken)


def text_blocks(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield a file's text in blocks of whole lines, each some 1 MiB long, without a byte order mark.

    Raises UnreadableFileError for a line of more than 2**20 characters.
    """
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, lines, is_first = "", 0, True
    while data := _filled(stream):
        text = rest + decoder.decode(data)
        if is_first:
            text, is_first = text.removeprefix("\ufeff"), not text
        cut = _last_line_end(text)
        if cut:
            yield text[:cut]
            lines += text.count("\n", 0, cut)
        rest = text[cut:]
        if len(rest) > LINE_LENGTH:
            raise LONG_LINE(most=LINE_LENGTH, line=lines + 1)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


def _filled(stream: BinaryIO) -> bytes:
    """Read as much as a block holds, so that the same file is always cut into the same blocks."""
    data = stream.read(BLOCK_BYTES)
    while data and len(data) < BLOCK_BYTES and (more := stream.read(BLOCK_BYTES - len(data))):
        data += more
    return data


def _last_line_end(text: str) -> int:
    # A carriage return at the very end may be half of a line end.
    return text.rfind("\n") + 1 or text.rfind("\r", 0, len(text) - 1) + 1


def _first_broken(open_: Open, layout: Layout, encoding: str) -> int | None:
    """Return the place of the first byte that is not in this encoding, or None if all are."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    place = 0
    with open_plain(open_, layout) as stream:
        while data := stream.read(BLOCK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(data)
            except UnicodeDecodeError as error:
                return place - pending + error.start
            place += len(data)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return place - 1
    return None


def _sample(open_: Open, layout: Layout) -> bytes:
    """Return the lines that are not ASCII, as many as a sample holds."""
    kept, size = [], 0
    with open_plain(open_, layout) as stream:
        while size < _SAMPLE_BYTES and (data := stream.read(BLOCK_BYTES)):
            if not data.isascii():
                kept.append(data)
                size += len(data)
    return b"".join(kept)


def _is_damaged_utf_8(sample: bytes, least: int) -> bool:
    """Whether there are `least` times as many bytes of UTF-8 characters as others outside ASCII."""
    everything = len(_NON_ASCII.findall(sample))
    right = sum(map(len, _MULTIBYTE.findall(sample)))
    return right >= least * (everything - right)


def _is_chinese(sample: bytes) -> bool:
    """Whether most of what is not ASCII is among the 6,763 characters that simplified Chinese is written with."""
    wide = [character for character in sample.decode(_GB18030, "replace") if not character.isascii()]
    everyday = len("".join(wide).encode("gb2312", "ignore")) // 2
    return everyday >= _CHINESE * len(wide)


def _is_sparse(sample: bytes) -> bool:
    """Whether at most a line in a hundred, or one line, has something other than ASCII."""
    lines = sample.splitlines()
    return sum(not line.isascii() for line in lines) <= max(1, len(lines) // 100)
