"""Texts from elsewhere, made safe for a terminal, and numbers for people."""

from typing import Final

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024
_MINUTE: Final = 60
_HOUR: Final = 3600


def plain(text: str) -> str:
    """Return a text in which whatever cannot be seen is written out: a file's cell may hold a terminal's commands."""
    return "".join(letter if letter.isprintable() else f"<U+{ord(letter):04X}>" for letter in text)


def size(count: float) -> str:
    """Write a number of bytes."""
    unit = 0
    while count >= _KIB and unit < len(_UNITS) - 1:
        count, unit = count / _KIB, unit + 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Write a duration."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def count(number: int, noun: str) -> str:
    """Write how many there are of something."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
