"""Bodies that are read whole: how far they are read."""

import asyncio
from collections.abc import Mapping

import pytest
from starlette.types import Message

from nameplate.rest.bodies import JSON_BYTES, read_small
from nameplate.rest.problems import ProblemError

CHUNKED: Mapping[str, str] = {"transfer-encoding": "chunked"}


class Pieces:
    """A body in pieces. Whoever asks for more than there is would wait, and does so in vain."""

    def __init__(self, *sizes: int) -> None:
        self._sizes = list(sizes)

    async def receive(self) -> Message:
        size = self._sizes.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(self._sizes)}

    @property
    def are_gone(self) -> bool:
        return not self._sizes


@pytest.mark.parametrize("sizes", [(JSON_BYTES,), (1, JSON_BYTES - 1), (JSON_BYTES, 0)])
def test_a_body_of_any_pieces_is_whole(sizes: tuple[int, ...]) -> None:
    pieces = Pieces(*sizes)
    assert len(asyncio.run(read_small(CHUNKED, pieces.receive))) == JSON_BYTES
    assert pieces.are_gone


@pytest.mark.parametrize("sizes", [(JSON_BYTES + 1,), (JSON_BYTES, 1), (1, JSON_BYTES)])
def test_one_that_is_too_large_is_read_until_that_is_known_and_no_further(sizes: tuple[int, ...]) -> None:
    pieces = Pieces(*sizes)
    with pytest.raises(ProblemError, match="BodyTooLarge"):
        asyncio.run(read_small(CHUNKED, pieces.receive))
    assert pieces.are_gone


def test_one_that_says_it_is_too_large_is_believed() -> None:
    with pytest.raises(ProblemError, match="BodyTooLarge"):
        asyncio.run(read_small({"content-length": str(JSON_BYTES + 1)}, Pieces().receive))


def test_one_of_no_length_is_not_waited_for() -> None:
    assert asyncio.run(read_small({}, Pieces().receive)) == b""
