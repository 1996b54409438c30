"""Which names, nicknames and texts are allowed.

The rules of the vendor's pages 69482 (device names, nicknames) and CreateProduct (product names, descriptions).
"""

import re
import string
from collections.abc import Sequence

ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
NAME_CHARACTERS = ALPHANUMERIC + b"-_@.:"
DEVICE_NAME = re.compile(r"[A-Za-z0-9\-_@.:]{4,32}")
PRODUCT_KEY = re.compile(r"[A-Za-z0-9]{11}")
DESCRIPTION_LENGTH = 100

_NAME_LENGTHS = range(4, 33)
_WIDE = r"\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LABEL = re.compile(rf"[A-Za-z0-9_{_WIDE}]+")
_NARROW = re.compile(r"[A-Za-z0-9_]")


def is_device_name(text: str) -> bool:
    """Whether `text` may name a device: 4 to 32 letters, digits and `- _ @ .

    :`.
    """
    return DEVICE_NAME.fullmatch(text) is not None


def all_device_names(texts: Sequence[str]) -> bool:
    """Whether every text may name a device."""
    return are_all_of(texts, NAME_CHARACTERS, _NAME_LENGTHS)


def are_all_of(texts: Sequence[str], characters: bytes, lengths: range) -> bool:
    """Whether every text has only these ASCII characters and one of these lengths: all at once, not one by one."""
    joined = "".join(texts)
    if not joined.isascii() or not set(map(len, texts)).issubset(lengths):
        return False
    return not joined.encode().translate(None, characters)


def is_label(text: str, least: int, most: int) -> bool:
    """Whether `text` is `least` to `most` columns of letters, digits, `_`, Chinese or Japanese (each two)."""
    return _LABEL.fullmatch(text) is not None and least <= _columns(text) <= most


def is_nickname(text: str) -> bool:
    """Whether `text` may be a device's nickname: 4 to 64 columns."""
    return is_label(text, 4, 64)


def is_short_nickname(text: str) -> bool:
    """Whether `text` may be a nickname on the page of BatchUpdateDeviceNickname (112165): 4 to 32 columns."""
    return is_label(text, 4, 32)


def is_product_name(text: str) -> bool:
    """Whether `text` may name a product: 4 to 30 columns."""
    return is_label(text, 4, 30)


def is_product_key(text: str) -> bool:
    """Whether `text` has the shape of a product key: 11 letters and digits."""
    return PRODUCT_KEY.fullmatch(text) is not None


def _columns(text: str) -> int:
    return 2 * len(text) - len(_NARROW.findall(text))
