"""Live progress: server-sent events, from one look per batch and process, however many listen."""

import asyncio
import logging
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from nameplate.refusal import RefusedError
from nameplate.rest.replies import Feed, Seen, render
from nameplate.rest.streams import Client, in_thread

CONTENT_TYPE: Final = "text/event-stream"

_LOOK_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 1.0
_BEAT_SECONDS: Final = 15.0
_HEADERS: Final = {
    "content-type": CONTENT_TYPE,
    "cache-control": "no-store",
    # A proxy that gathers an answer before it passes it on would keep everybody waiting.
    "x-accel-buffering": "no",
}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """One batch that is looked at for as long as somebody listens."""

    listeners: int = 0
    seen: Seen | None = None
    number: int = 0
    begun: int = 0
    """How many looks have begun, and of these `done` how many are over."""

    done: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody has joined, and wants to know what is so since then."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Watchers:
    """Everybody of this process who listens to a batch."""

    def __init__(self) -> None:
        self._watches: dict[int, _Watch] = {}
        self._is_stopped = False

    def stop(self) -> None:
        """End every feed: whoever listens asks again, elsewhere or later."""
        self._is_stopped = True
        for watch in self._watches.values():
            _announce(watch)

    async def send(self, client: Client, feed: Feed, pool: Executor, headers: dict[str, str]) -> None:
        """Tell a client about a batch until it ends. Raises Gone."""
        watch, since = self._join(feed, pool)
        try:
            await client.start(200, _HEADERS | headers)
            await client.write(f"retry: {int(_RETRY_SECONDS * 1000)}\n\n".encode())
            await self._follow(client, watch, since)
        finally:
            self._leave(feed, watch)
        await client.end()

    async def _follow(self, client: Client, watch: _Watch, since: int) -> None:
        told = 0
        while not self._is_stopped:
            changed, seen = watch.changed, watch.seen
            if seen is not None and watch.done >= since and watch.number != told:
                told = watch.number
                await client.write(_event("end" if seen.has_ended else "progress", told, seen.progress))
                if seen.has_ended:
                    return
            elif not await client.wait_for(changed, _BEAT_SECONDS):
                await client.write(b": nothing new\n\n")

    def _join(self, feed: Feed, pool: Executor) -> tuple[_Watch, int]:
        """Return what looks at a batch, and the number of its first look that tells what is so since now."""
        watch = self._watches.setdefault(feed.batch_id, _Watch())
        watch.listeners += 1
        if watch.task is None or watch.task.done():
            # One that had ended may go on: corrections are a batch's own.
            watch.seen = None
            watch.task = asyncio.create_task(self._keep_looking(feed, watch, pool))
        # At once: after a look that finds the batch at its end there may be none.
        watch.asked.set()
        return watch, watch.begun + 1

    def _leave(self, feed: Feed, watch: _Watch) -> None:
        watch.listeners -= 1
        if not watch.listeners and watch.task is not None:
            watch.task.cancel()
            del self._watches[feed.batch_id]

    async def _keep_looking(self, feed: Feed, watch: _Watch, pool: Executor) -> None:
        while True:
            try:
                if await _look(feed, watch, pool):
                    return
            except RefusedError as refused:
                _log.warning("Progress cannot be read: %s. Trying again.", refused.reason)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 (the next look may do better)
                _log.exception("Progress cannot be read. Trying again.")
                await asyncio.sleep(_RETRY_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await watch.asked.wait()


async def _look(feed: Feed, watch: _Watch, pool: Executor) -> bool:
    """Look once, and tell if there is something new or somebody new; True if the batch has ended."""
    watch.begun = number = watch.begun + 1
    is_asked = watch.asked.is_set()
    watch.asked.clear()
    try:
        seen = await in_thread(pool, feed.look)
    except Exception:
        if is_asked:
            watch.asked.set()
        raise
    watch.done = number
    is_new = seen != watch.seen
    if is_new:
        watch.seen = seen
        watch.number += 1
    if is_new or is_asked:
        _announce(watch)
    return seen.has_ended and not watch.asked.is_set()


def _announce(watch: _Watch) -> None:
    """Wake whoever listens, and let the next change be waited for."""
    changed, watch.changed = watch.changed, asyncio.Event()
    changed.set()


def _event(name: str, number: int, value: object) -> bytes:
    return b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode(), number, render(value))
