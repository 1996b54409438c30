"""A bound on how much is under way at a time."""

from collections.abc import Callable


class Room:
    """Room for so many; a context manager, entered by each. Belongs to one event loop."""

    def __init__(self, most: int, full: Callable[[], Exception]) -> None:
        """Let in up to `most`; who comes then is turned away with what `full` makes."""
        self._most = most
        self._full = full
        self._inside = 0

    def __enter__(self) -> None:
        if self._inside >= self._most:
            raise self._full()
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
