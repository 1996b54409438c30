"""Secrets on their way through a sorter that may spill to disk: enciphered with a key that only this process has."""

import os
from array import array
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

WIDTH: Final = 32
"""The length of an enciphered secret in bytes, which is that of the longest secret."""

_WORDS: Final = 8
_PADDING: Final = "\0"


class Veil:
    """Enciphers whole columns of secrets, each with the line of its row as the nonce.

    This is AES in counter mode, with two blocks for each row: rows are many and short, and come back in another order.
    """

    def __init__(self) -> None:
        self._cipher = Cipher(AES(os.urandom(32)), ECB())  # noqa: S305 (of counters, none of which is used twice)

    def cover(self, lines: "array[int]", secrets: Sequence[str | None]) -> pa.Buffer:
        """Return the secrets of these lines, 32 bytes each. A line may be covered once."""
        plain = "".join([secret or "" for secret in secrets])
        # None is longer: if all have the length of the longest, there is nothing to pad.
        if len(plain) != WIDTH * len(secrets):
            plain = "".join([(secret or "").ljust(WIDTH, _PADDING) for secret in secrets])
        return self._apply(lines, pa.py_buffer(plain.encode("ascii")))

    def uncover(self, lines: "array[int]", covered: pa.Buffer) -> list[str | None]:
        """Return the secrets that `cover` was given for these lines."""
        plain = str(self._apply(lines, covered), "ascii")
        texts = [plain[at : at + WIDTH] for at in range(0, len(plain), WIDTH)]
        return [text.rstrip(_PADDING) or None for text in texts] if _PADDING in plain else [*texts]

    def _apply(self, lines: "array[int]", data: pa.Buffer) -> pa.Buffer:
        counters = array("I", bytes(lines.itemsize * _WORDS * len(lines)))
        counters[0::_WORDS] = counters[_WORDS // 2 :: _WORDS] = lines
        counters[1::_WORDS] = array("I", [1]) * len(lines)
        key = pa.py_buffer(self._cipher.encryptor().update(counters.tobytes()))
        combined: pa.Buffer = pc.bit_wise_xor(_numbers(data), _numbers(key)).buffers()[1]
        return combined.slice(0, data.size)


def _numbers(data: pa.Buffer) -> pa.Array:
    number = pa.uint64()
    return pa.Array.from_buffers(number, data.size * 8 // number.bit_width, [None, data])
