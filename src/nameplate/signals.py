"""The end of a program that runs until it is told to stop."""

import os
import selectors
import signal


class Stop:
    """SIGTERM or SIGINT, whenever it comes and whichever thread the system gives it to.

    Python's handlers run in the main thread, when that next runs Python. One that waits for a lock does so only when
    the signal is given to it, and a thread that is being traced is given none. So this waits for what is written to a
    pipe the moment a signal comes. A program makes one, in its main thread.
    """

    def __init__(self) -> None:
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            # It has nothing to do; but nothing is written for a signal without a handler.
            signal.signal(number, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self._selector.register(told, selectors.EVENT_READ)
        self._is_time = False

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, for so long at most; return whether it is time to stop, from then on for ever."""
        self._is_time = self._is_time or bool(self._selector.select(seconds))
        return self._is_time
