"""The end of a program that runs until it is told to stop."""

import signal
from queue import Empty, SimpleQueue


class Stop:
    """SIGTERM or SIGINT, whenever it comes.

    A handler may interrupt the very wait that it is to end, or another handler. An Event would wait for itself then; a
    SimpleQueue may be put into at any moment.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[None] = SimpleQueue()
        self._is_time = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._told.put(None))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, for so long at most; return whether it is time to stop, from then on for ever."""
        if not self._is_time:
            try:
                self._told.get(timeout=seconds)
            except Empty:
                return False
            self._is_time = True
        return True
