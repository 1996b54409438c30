"""Parameters: query string and form body, made canonical once and decoded once.

Signatures are over the parameters percent-encoded as RFC 3986 says. Nearly every client sends them that way already, so
the fast path proves that with a few passes in C over the raw bytes, and only what is not canonical is decoded and
encoded again, pair by pair.
"""

import re
from binascii import a2b_qp
from collections import Counter
from collections.abc import Container, Iterable
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from nameplate.errors import INVALID_PARAMETER
from nameplate.wire.numbering import find_list

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_SEPARATORS: Final = b"&="
_CANONICAL: Final = _UNRESERVED + _SEPARATORS + b"%"
_NOT_SEPARATORS: Final = bytes(set(range(256)) - set(_SEPARATORS))
# An escape that RFC 3986 would not write: not two upper-case digits, or standing for an unreserved character.
_ODD_ESCAPE: Final = re.compile(rb"%(?![0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FEW_ESCAPES: Final = 16
_FORM_SPELLINGS: Final = {byte: b"%%%02X" % byte for byte in b"!'()*:@/,;$?"} | {ord("+"): b"%20"}


def canonical(raw: bytes) -> bytes:
    """Return `raw`, a query string or form body, with each name and value encoded as RFC 3986 says, order kept.

    Raises InvalidParameter's refusal, naming the parameter, for a broken escape or text that is not UTF-8.
    """
    if not raw:
        return raw
    odd = raw.translate(None, _CANONICAL)
    for byte in set(odd):
        if byte not in _FORM_SPELLINGS:
            return _encode_again(raw)
        raw = raw.replace(bytes((byte,)), _FORM_SPELLINGS[byte])
    shape = raw.translate(None, _NOT_SEPARATORS)
    if shape != b"=&" * (len(shape) // 2) + b"=" or (b"%" in raw and _ODD_ESCAPE.search(raw)):
        return _encode_again(raw)
    return raw


class Parameters(dict[str, str]):
    """A call's parameters by name. A long list may be in `lists` instead, whole, by what its names begin with."""

    __slots__ = ("lists",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = (), lists: dict[str, list[str]] | None = None) -> None:
        super().__init__(pairs)
        self.lists = lists or {}


def decode(*texts: bytes, lists: Container[str] = ()) -> Parameters:
    """Return the parameters of canonical texts.

    `lists` are what names of RepeatLists begin with, such as `DeviceName.`: one that is there in order needs no look-up
    of every name. Raises a refusal for a name that is there twice, or is not UTF-8.
    """
    text = b"&".join(filter(None, texts)).decode("ascii")
    if not text:
        return Parameters()
    escapes = text.count("%")
    if escapes > _FEW_ESCAPES:
        # Neither character separates anything, so both can be decoded everywhere at once.
        text = text.replace("%3A", ":").replace("%40", "@")
        escapes = text.count("%")
    flat = text.replace("=", "&").split("&")
    names, values = flat[::2], flat[1::2]
    for row in range(len(names)) if escapes > _FEW_ESCAPES else _escaped(text):
        if "%" in names[row]:
            names[row] = _unquote(names[row], names[row])
        if "%" in values[row]:
            values[row] = _unquote(values[row], names[row])
    taken: dict[str, list[str]] = {}
    if found := find_list(text, names, lists):
        prefix, rows = found
        taken[prefix] = values[rows]
        del names[rows], values[rows]
    parameters = Parameters(zip(names, values, strict=True), taken)
    if len(parameters) != len(names):
        raise refuse_parameter(_first_repeated(names), "It is there more than once.")
    return parameters


def _escaped(text: str) -> list[int]:
    """Return which pairs hold an escape, each once, where there are few."""
    rows: list[int] = []
    row, counted, at = 0, 0, text.find("%")
    while at >= 0:
        row, counted = row + text.count("&", counted, at), at
        if rows[-1:] != [row]:
            rows.append(row)
        at = text.find("%", at + 1)
    return rows


def _encode_again(raw: bytes) -> bytes:
    pairs = []
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append(_requote(name, name) + b"=" + _requote(value, name))
    return b"&".join(pairs)


def _requote(text: bytes, name: bytes) -> bytes:
    if _BROKEN_ESCAPE.search(text):
        raise refuse_parameter(
            name.decode("ascii", "replace"),
            "It holds a % that is not followed by two hexadecimal digits.",
        )
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="-_.~").encode()


def _unquote(text: str, name: str) -> str:
    # Reads the same escapes, in C and in one buffer; a canonical text holds no other `=`.
    try:
        return a2b_qp(text.replace("%", "=")).decode("utf-8")
    except UnicodeDecodeError:
        raise refuse_parameter(name, "It is not UTF-8.") from None


def _first_repeated(names: list[str]) -> str:
    return next(name for name, times in Counter(names).items() if times > 1)


def refuse_parameter(where: str, fix: str) -> Exception:
    """Make the refusal for a parameter of the wrong shape: where it was wrong, and what to do."""
    word = re.split(r"[^A-Za-z0-9]", where, maxsplit=1)[0][:64] or "Parameter"
    return INVALID_PARAMETER(name=word[0].upper() + word[1:], where=where[:100], fix=fix)
