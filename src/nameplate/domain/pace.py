"""How many parts a worker creates in one transaction, from how long the last one took."""

from typing import Final

SLOW_PART_SECONDS: Final = 0.1
"""From here on a part is slow enough for two to be tried at once."""

LONG_SECONDS: Final = 3.0
"""As long as a transaction may take: whoever else wants to write waits for it."""

_QUICK_PART_SECONDS: Final = SLOW_PART_SECONDS / 4


class Pace:
    """Starts with one part, doubles while parts are slow, and goes back when they are not or a transaction is long."""

    def __init__(self, most: int) -> None:
        """Never exceed `most` parts."""
        self._most = most
        self.parts = 1

    def took(self, parts: int, seconds: float) -> None:
        """Take note of what one transaction took."""
        if seconds > LONG_SECONDS or seconds / parts < _QUICK_PART_SECONDS:
            self.parts = max(1, self.parts // 2)
        elif seconds / parts > SLOW_PART_SECONDS or (parts > 1 and seconds < LONG_SECONDS / 2):
            self.parts = min(self._most, self.parts * 2)
