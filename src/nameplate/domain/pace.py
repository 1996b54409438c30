"""How many parts a worker creates in one transaction, from how long the last one took and who else is there."""

from typing import Final

from nameplate.domain.batch import ROWS_PER_PART

SLOW_PART_SECONDS: Final = 0.1
"""From here on a part is slow enough for several to be tried at once."""

LONG_SECONDS: Final = 3.0
"""As long as a transaction may take: whoever else wants to write waits for it."""

COMPANY_MS: Final = 10_000
"""For how long after a small batch another one is expected: it would wait for what has been begun."""

_SMALL_ROWS: Final = ROWS_PER_PART // 2
_QUICK_PART_SECONDS: Final = SLOW_PART_SECONDS / 4
_SLOW_TRANSACTION_SECONDS: Final = SLOW_PART_SECONDS * 3
_NEARLY_LONG_SECONDS: Final = LONG_SECONDS * 0.75
# Of two parts together each costs less, and so on; how much less shows only then.
_GAIN: Final = 2
_SHORTEST_SECONDS: Final = 0.001


class Pace:
    """Starts with one part, takes more while parts are slow and small batches keep away, and goes back.

    Several workers may share one: none is surprised by what another has met.
    """

    def __init__(self, most: int, brief_seconds: float = SLOW_PART_SECONDS) -> None:
        """Never exceed `most` parts, and of quick ones those that take no longer than `brief_seconds` together."""
        self._most = most
        self._brief_seconds = brief_seconds
        self._alone_from = 0
        self._alone = 1

    def parts(self, now: int) -> int:
        """Return how many parts to create at once.

        A transaction cannot be interrupted: in the company of small batches it is one part, which is what they may
        have to wait for.
        """
        return self._alone if now >= self._alone_from else 1

    def met(self, rows: int, now: int) -> None:
        """Take note of how many rows somebody's turn was for."""
        if rows < _SMALL_ROWS:
            self._alone_from = now + COMPANY_MS

    def took(self, rows: int, seconds: float) -> None:
        """Take note of what one transaction took."""
        if rows < _SMALL_ROWS:
            return
        each = max(seconds / (rows / ROWS_PER_PART), _SHORTEST_SECONDS)
        brief, fitting = (max(1, min(self._most, int(limit / each))) for limit in (self._brief_seconds, LONG_SECONDS))
        merges = rows > ROWS_PER_PART and _SLOW_TRANSACTION_SECONDS < seconds < _NEARLY_LONG_SECONDS
        if each < _QUICK_PART_SECONDS:
            self._alone = max(brief, self._alone // 2)
        elif seconds > LONG_SECONDS:
            self._alone = fitting
        elif each > SLOW_PART_SECONDS or merges:
            self._alone = max(self._alone, min(self._most, _GAIN * fitting))
        else:
            self._alone = max(self._alone, brief)
