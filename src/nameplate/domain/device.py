"""What identifies a device: one integer, and the IotId written from it.

A device's id is 63 bits that the application assigns: the number of its batch (39 bits) and its row's ordinal in that
batch (24 bits). So a batch is a range of ids, ids rise with time, and no index on the batch is needed.

An IotId is not stored. Its first 20 characters, which the vendor calls the DeviceId, are the id in base 62 (11
characters, in ASCII order, so that they sort as the ids do) and 9 characters of a keyed tag over it: nobody can make
one up, and a made-up one is refused without touching the database. A suffix of 6 characters follows, as the vendor's
do.
"""

import hmac
from enum import IntEnum
from hashlib import blake2b
from typing import Final

ORDINAL_BITS: Final = 24
MAX_ID: Final = (1 << 63) - 1

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_PAIR_VALUES: Final = 62**2
_FOUR_VALUES: Final = 62**4
_EIGHT_VALUES: Final = 62**8
_ID_LENGTH: Final = 11
_TAG_LENGTH: Final = 9
_DEVICE_ID_LENGTH: Final = _ID_LENGTH + _TAG_LENGTH
_TAG_VALUES: Final = 62**_TAG_LENGTH
_SUFFIX: Final = "000100"
_IOT_ID_LENGTH: Final = _DEVICE_ID_LENGTH + len(_SUFFIX)


class Status(IntEnum):
    """Whether a device may connect, and whether it does.

    The numbers are those of QueryDeviceByStatus.
    """

    UNACTIVE = 0
    """It has never connected."""

    ONLINE = 1
    """It is connected."""

    OFFLINE = 3
    """It has connected before and is not connected now."""

    DISABLE = 8
    """It may not connect."""


def first_id(number: int) -> int:
    """Return the id of the first row of the batch with this number."""
    return number << ORDINAL_BITS


def number_of(device_id: int) -> int:
    """Return the number that a device's id begins with: its batch's, or its block's."""
    return device_id >> ORDINAL_BITS


class IotIds:
    """Writes and reads the IotIds of one installation."""

    def __init__(self, key: bytes) -> None:
        self._tag = blake2b(key=key, digest_size=8, person=b"iot-id-tag")

    def device_id(self, number: int) -> str:
        """Return the 20 characters that stand for a device's id; also the name of a device that was given none."""
        return _eleven(number) + self._tag_of(number)

    def iot_id(self, number: int) -> str:
        """Return the IotId that stands for a device's id."""
        return self.device_id(number) + _SUFFIX

    def read(self, iot_id: str) -> int | None:
        """Return the device's id that an IotId stands for, or None if this installation did not write it."""
        return self.read_device_id(iot_id.removesuffix(_SUFFIX)) if len(iot_id) == _IOT_ID_LENGTH else None

    def read_device_id(self, text: str) -> int | None:
        """Return the device's id that a DeviceId stands for, or None if this installation did not write it."""
        if len(text) != _DEVICE_ID_LENGTH or not all(character in _DIGITS for character in text):
            return None
        number = 0
        for character in text[:_ID_LENGTH]:
            number = number * 62 + _DIGITS[character]
        # Eleven characters hold more than 63 bits.
        if number > MAX_ID or not hmac.compare_digest(self._tag_of(number), text[_ID_LENGTH:]):
            return None
        return number

    def _tag_of(self, number: int) -> str:
        tag = self._tag.copy()
        tag.update(number.to_bytes(8, "big"))
        return _nine(int.from_bytes(tag.digest(), "big") % _TAG_VALUES)


def _eleven(number: int) -> str:
    """Write a number of up to 65 bits in base 62, eleven characters."""
    high, low = divmod(number, _EIGHT_VALUES)
    return f"{_ALPHABET[high // _PAIR_VALUES]}{_PAIRS[high % _PAIR_VALUES]}{_eight(low)}"


def _nine(number: int) -> str:
    high, low = divmod(number, _EIGHT_VALUES)
    return f"{_ALPHABET[high]}{_eight(low)}"


def _eight(number: int) -> str:
    # Written out: a page of devices has two of these for each, and a loop would take twice as long.
    high, low = divmod(number, _FOUR_VALUES)
    return (
        f"{_PAIRS[high // _PAIR_VALUES]}{_PAIRS[high % _PAIR_VALUES]}"
        f"{_PAIRS[low // _PAIR_VALUES]}{_PAIRS[low % _PAIR_VALUES]}"
    )
