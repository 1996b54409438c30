"""Who sends a file: one request at a time, the newest."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nameplate.rest.problems import UPLOAD_DISPLACED
from nameplate.rest.routes import Chunks


@dataclass(slots=True)
class Turn:
    """One request that sends a file."""

    displaced: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def pieces(self, chunks: Chunks) -> Chunks:
        """Yield what arrives until somebody else goes on with the file. Raises UPLOAD_DISPLACED."""
        leaving = asyncio.ensure_future(self.displaced.wait())
        arriving = aiter(chunks)
        try:
            while True:
                coming = asyncio.ensure_future(anext(arriving, None))
                await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if self.displaced.is_set():
                    coming.cancel()
                    await asyncio.wait({coming})
                    raise UPLOAD_DISPLACED(where="Upload-Offset")
                piece = await coming
                if piece is None:
                    return
                if piece:
                    yield piece
        finally:
            leaving.cancel()


class Uploads:
    """The files that are being sent to this process, by one request at a time each."""

    def __init__(self, pool: Executor) -> None:
        self.pool = pool
        self._turns: dict[int, Turn] = {}

    @asynccontextmanager
    async def turn(self, batch_id: int) -> AsyncIterator[Turn]:
        """Send a batch's file: whoever sends it already has lost its client, or is no longer wanted by it."""
        while (earlier := self._turns.get(batch_id)) is not None:
            earlier.displaced.set()
            await earlier.ended.wait()
        mine = self._turns[batch_id] = Turn()
        try:
            yield mine
        finally:
            del self._turns[batch_id]
            mine.ended.set()
