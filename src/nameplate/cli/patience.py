"""How long a command goes on trying when a server does not answer."""

import random
import time
from collections.abc import Callable
from typing import Final

from nameplate.cli.ending import CommandError

_SHORTEST: Final = 0.25
_LONGEST: Final = 4.0


class Patience:
    """Pauses that double, until a server has been silent for too long.

    A server that has answered once is waited for: it is being restarted, or the network is. One that never has is more
    likely not there.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tell = tell
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._has_answered = False
        self._silent_since: float | None = None
        self._pause = _SHORTEST

    def answered(self) -> None:
        """Take note that the server has answered."""
        self._has_answered = True
        self._silent_since = None
        self._pause = _SHORTEST

    def wait(self, error: CommandError, *, is_there: bool = False, least: float = 0.0) -> None:
        """Wait before the next attempt, at least so many seconds. Raises the error if there should be none.

        `is_there` says that something did answer, if only to say that it cannot do it now.
        """
        if not (self._has_answered or is_there):
            raise error
        now = self._clock()
        if self._silent_since is None:
            self._silent_since = now
            self._tell(f"{error} Trying again for {self._seconds:.0f} seconds.")
        if now - self._silent_since >= self._seconds:
            raise error
        # Many clients of one server shall not come back all at once.
        self._sleep(max(least, self._pause * random.uniform(0.75, 1.25)))  # noqa: S311 (no secret)
        self._pause = min(2 * self._pause, _LONGEST)
