"""Brokers' hooks as an ASGI application, in three lanes.

Reads of an embedded database are answered on the event loop. Reads that cross a network are gathered, so that a storm
of devices costs a query for a hundred of them. What writes has a thread of its own.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from starlette.types import Receive, Scope, Send

from nameplate.brokers.bodies import MAX_BYTES
from nameplate.brokers.hooks import PREFIXES, HookCall, Hooks
from nameplate.errors import SERVICE_UNAVAILABLE
from nameplate.http.answers import respond
from nameplate.http.bodies import Bodies, ClientGoneError
from nameplate.http.gathering import Gathering
from nameplate.http.messages import read_head
from nameplate.http.protocol import IS_WHOLE
from nameplate.http.room import Room
from nameplate.wire.render import Response
from nameplate.wire.request import Request

_THREADS: Final = 8
# As many devices as a broker's restart brings back at once; each holds a small body only.
_MOST_WAITING: Final = 50_000


class HookApp:
    """Every path below `PREFIXES`."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="hook")
        self._reads = Gathering(self._pool, hooks.answer_all)
        self._bodies = Bodies(MAX_BYTES)
        self._room = Room(_MOST_WAITING, SERVICE_UNAVAILABLE)

    def serves(self, path: str) -> bool:
        """Whether this application answers a path."""
        return path.startswith(PREFIXES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path, head = scope["path"], read_head(scope)
        await respond(self._answer(path, head, scope, receive), partial(self._hooks.refuse, path), send)

    def close(self) -> None:
        """Let the hooks that run be finished."""
        self._pool.shutdown()

    async def _answer(self, path: str, head: Request, scope: Scope, receive: Receive) -> Response:
        if IS_WHOLE in scope:
            # Most are: the server reads no more than 64 KiB ahead, so there is nothing to bound or to wait for.
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            return await self._ask(path, head, message.get("body", b""), scope)
        body = await self._bodies.read(head, receive, is_whole=False)
        try:
            return await self._ask(path, head, body, scope)
        finally:
            self._bodies.let_go(body)

    async def _ask(self, path: str, head: Request, body: bytes, scope: Scope) -> Response:
        request = Request(head.method, head.query, head.headers, body)
        client = scope["client"]
        peer = client[0] if client else None
        call = HookCall(path, request, peer)
        if self._hooks.is_inline(path):
            return self._hooks.answer(call)
        return await self._in_thread(call)

    async def _in_thread(self, call: HookCall) -> Response:
        with self._room:
            if self._hooks.is_read(call.path):
                return await self._reads.ask(call)
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._hooks.answer, call)
