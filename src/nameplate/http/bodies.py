"""Bodies, bounded: each one, and all that are held at a time."""

import asyncio
from contextlib import nullcontext, suppress
from typing import Final

from starlette.types import Receive

from nameplate.errors import REQUEST_TIMEOUT, REQUEST_TOO_LARGE, SERVICE_UNAVAILABLE
from nameplate.wire.request import Request

MAX_BYTES: Final = 8 * 1024 * 1024
"""The largest body, and the largest request line: 10,000 names with the longest nicknames take half of it."""

_MOST_HELD: Final = 256 * 1024 * 1024
_SECONDS: Final = 60
_DISCARDED_BYTES: Final = 64 * 1024 * 1024
_DISCARD_SECONDS: Final = 5


class ClientGoneError(Exception):
    """The client went away before it had sent its body."""


class Bodies:
    """Reads request bodies, and counts what is held until it is let go."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        """Refuse bodies of more than `most` bytes."""
        self._most = most
        self._held = 0

    async def read(self, head: Request, receive: Receive, *, is_whole: bool) -> bytes:
        """Return a body, to be let go when its call is answered. One that is here already is not waited for.

        Raises a refusal for one that is too large, without keeping it, for one that does not arrive, and when too much
        is held already. Raises ClientGoneError.
        """
        if "transfer-encoding" not in head.headers and head.headers.get("content-length", "0") == "0":
            return b""
        parts: list[bytes] = []
        is_read = False
        try:
            # Most bodies are here by now, and a timer costs some 20 us.
            async with nullcontext() if is_whole else asyncio.timeout(_SECONDS):
                await self._fill(parts, head, receive)
            is_read = True
        except TimeoutError:
            raise REQUEST_TIMEOUT(seconds=_SECONDS) from None
        finally:
            if not is_read:
                self.let_go(*parts)
        return b"".join(parts)

    def let_go(self, *parts: bytes) -> None:
        """Stop counting what is not held any more."""
        self._held -= sum(map(len, parts))

    async def _fill(self, parts: list[bytes], head: Request, receive: Receive) -> None:
        left, more = self._most, True
        if int(head.headers.get("content-length", 0)) > left:
            await _let_go_by(head, receive)
            raise REQUEST_TOO_LARGE(limit=f"{self._most} bytes")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part, more = message.get("body", b""), message.get("more_body", False)
            left -= len(part)
            if left < 0 or self._held + len(part) > _MOST_HELD:
                self.let_go(*parts)
                parts.clear()
                if more:
                    await _let_go_by(head, receive)
                raise REQUEST_TOO_LARGE(limit=f"{self._most} bytes") if left < 0 else SERVICE_UNAVAILABLE()
            self._held += len(part)
            parts.append(part)


async def _let_go_by(head: Request, receive: Receive) -> None:
    if "expect" not in head.headers:
        await discard(receive)


async def discard(receive: Receive) -> None:
    """Let the rest of a body go by: most clients read no answer before they have sent it all."""
    left = _DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
