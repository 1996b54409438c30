"""What is asked at the same time is answered together."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from nameplate.http.gathering import Gathering

BUSY = 2


class Slow:
    """Doubles numbers, once it may."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.together: list[int] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.may.wait(10)
        self.together.append(len(numbers))
        if -1 in numbers:
            raise ValueError
        return [2 * number for number in numbers]


def test_what_waits_goes_together_and_everybody_gets_the_right_answer() -> None:
    slow = Slow()

    async def run() -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            gathering = Gathering(pool, slow)
            asked = [asyncio.ensure_future(gathering.ask(number)) for number in range(250)]
            await asyncio.sleep(0)
            slow.may.set()
            return await asyncio.gather(*asked)

    assert asyncio.run(run()) == [2 * number for number in range(250)]
    assert sorted(slow.together) == [1, 1, 48, 100, 100]


def test_an_error_is_told_to_all_that_it_concerns_and_to_nobody_else() -> None:
    slow = Slow()

    async def run() -> list[int | BaseException]:
        with ThreadPoolExecutor(8) as pool:
            gathering = Gathering(pool, slow)
            asked = [asyncio.ensure_future(gathering.ask(number)) for number in (1, 2, 3, -1)]
            await asyncio.sleep(0)
            slow.may.set()
            found = await asyncio.gather(*asked, return_exceptions=True)
            return [*found, await gathering.ask(5)]

    one, two, *failed, after = asyncio.run(run())
    assert (one, two, after) == (2, 4, 10)
    assert [type(error) for error in failed] == [ValueError, ValueError]


def test_one_who_does_not_wait_any_longer_disturbs_no_other() -> None:
    slow = Slow()

    async def run() -> int:
        with ThreadPoolExecutor(8) as pool:
            gathering = Gathering(pool, slow)
            asked = [asyncio.ensure_future(gathering.ask(number)) for number in range(BUSY + 2)]
            await asyncio.sleep(0)
            asked[BUSY].cancel()
            slow.may.set()
            with pytest.raises(asyncio.CancelledError):
                await asked[BUSY]
            return await asked[-1]

    assert asyncio.run(run()) == 2 * (BUSY + 1)
