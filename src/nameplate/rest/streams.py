"""Sends what has no end yet: downloads that are made meanwhile, and feeds; notices when the client goes away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from starlette.types import Receive, Send

from nameplate.rest.replies import Download

_END: Final = object()
_STALLED_SECONDS: Final = 300
_Made = TypeVar("_Made")


class Gone(Exception):  # noqa: N818 (what has happened, and nobody's mistake)
    """The client went away before it had everything."""


class Client:
    """The other end of a call whose answer takes its time."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._left = asyncio.Event()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Notice, for as long as this lasts, when the client goes away."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    @property
    def has_left(self) -> bool:
        """Whether it has gone away."""
        return self._left.is_set()

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of the answer."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, piece: bytes) -> None:
        """Send a piece, and wait while the client takes its time. Raises Gone."""
        sending = asyncio.ensure_future(self._send({"type": "http.response.body", "body": piece, "more_body": True}))
        leaving = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait({sending, leaving}, timeout=_STALLED_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self.has_left or not sending.done():
                raise Gone
            await sending
        finally:
            sending.cancel()
            leaving.cancel()

    async def end(self) -> None:
        """Say that this was all."""
        await self._send({"type": "http.response.body", "body": b""})

    async def wait_for(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for an event, but not longer than this; False if it has not come. Raises Gone."""
        waiting = {asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._left.wait())}
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if self.has_left:
            raise Gone
        return event.is_set()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left.set()


async def send_download(client: Client, download: Download, pool: Executor, headers: dict[str, str]) -> None:
    """Send a download to its end.

    Raises Gone, and what making it raises; then the client can tell that it is not whole.
    """
    try:
        # Whoever cannot begin must still be able to refuse.
        piece = await in_thread(pool, lambda: next(download.pieces, _END))
        disposition = f'attachment; filename="{download.file_name}"'
        kept = {"content-type": download.media_type, "content-disposition": disposition, "cache-control": "no-store"}
        await client.start(200, kept | download.headers | headers)
        while isinstance(piece, bytes):
            if piece:
                await client.write(piece)
            piece = await in_thread(pool, lambda: next(download.pieces, _END))
        if client.has_left:
            raise Gone
        await in_thread(pool, download.delivered)
        await client.end()
    finally:
        await in_thread(pool, lambda: _close(download.pieces))


async def in_thread(pool: Executor, work: Callable[[], _Made]) -> _Made:
    """Do something in a thread; whoever waits for it and is cancelled waits for its end all the same."""
    running = asyncio.get_running_loop().run_in_executor(pool, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


@asynccontextmanager
async def entered(pool: Executor, context: AbstractContextManager[_Made]) -> AsyncIterator[_Made]:
    """Enter a context in a thread, and leave it in one."""
    made = await in_thread(pool, context.__enter__)
    try:
        yield made
    except BaseException as error:
        await in_thread(pool, partial(context.__exit__, type(error), error, error.__traceback__))
        raise
    await in_thread(pool, partial(context.__exit__, None, None, None))


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
