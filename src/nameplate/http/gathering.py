"""What is asked at the same time, answered together: for answers that cost less by the dozen than one by one."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final, Generic, TypeVar

# One waits for the database while the other is at work.
_AT_ONCE: Final = 2
_MOST_TOGETHER: Final = 100

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


class Gathering(Generic[_Asked, _Answer]):
    """Gathers while threads are busy: what is asked alone is answered at once, and whatever waits goes together.

    Belongs to one event loop.
    """

    def __init__(self, pool: Executor, answer: Callable[[Sequence[_Asked]], Sequence[_Answer]]) -> None:
        """Answer with `answer`, which returns as many as it is given, in their order, in threads of `pool`."""
        self._pool = pool
        self._answer = answer
        self._waiting: deque[tuple[_Asked, asyncio.Future[_Answer]]] = deque()
        self._running = 0

    async def ask(self, asked: _Asked) -> _Answer:
        """Return the answer; raises what `answer` raises."""
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        self._begin()
        return await future

    def _begin(self) -> None:
        if not self._waiting or self._running == _AT_ONCE:
            return
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))]
        self._running += 1
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._pool, self._answer, [asked for asked, _ in some])
        job.add_done_callback(partial(self._end, [future for _, future in some]))

    def _end(self, futures: Sequence[asyncio.Future[_Answer]], job: asyncio.Future[Sequence[_Answer]]) -> None:
        self._running -= 1
        self._begin()
        error = job.exception()
        answers = [] if error else job.result()
        for place, future in enumerate(futures):
            if future.done():  # its client has gone
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(answers[place])
