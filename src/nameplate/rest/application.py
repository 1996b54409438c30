"""The path of every call to REST, on one page: find its route, authenticate, bind, perform, answer.

A function of a route runs in a thread. The event loop only moves bytes.
"""

import asyncio
import errno
import inspect
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from starlette.types import Receive, Scope, Send

from nameplate.call import Registry
from nameplate.domain.secrets import WrongMasterKeyError
from nameplate.errors import SERVICE_UNAVAILABLE
from nameplate.files.unreadable import UnreadableFileError
from nameplate.http.bodies import ClientGoneError
from nameplate.http.room import Room
from nameplate.observation import Observation
from nameplate.refusal import RefusedError
from nameplate.rest.binding import bind, read_body
from nameplate.rest.bodies import arriving, let_go_by, read_small
from nameplate.rest.calls import RestCall, Site
from nameplate.rest.problems import (
    CONTENT_TYPE,
    DISK_FULL,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    ROLE_DENIED,
    TOO_BUSY,
    UNREADABLE_FILE,
    ProblemError,
    translate,
)
from nameplate.rest.replies import Download, Feed, Reply, render
from nameplate.rest.routes import Route, find
from nameplate.rest.streams import Client, Gone, in_thread, send_download
from nameplate.store.access_keys import AccessKey
from nameplate.store.database import ConflictError, retried

PREFIX: Final = "/v1/"

_THREADS: Final = 8
_MOST_WAITING: Final = 128
_MOST_STREAMS: Final = 256
_UNKNOWN: Final = "unknown"
_OK: Final = "OK"
_GONE: Final = "ClientGone"
_STOPPED: Final = "ServerStopped"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST_PATH: Final = 200

_Made = TypeVar("_Made")

_log = logging.getLogger(__name__)


class Rest:
    """REST, as an ASGI application. Whatever goes wrong is an answer too."""

    def __init__(self, registry: Registry, site: Site) -> None:
        self._registry = registry
        self._site = site
        # Apart from the signed API's, so that neither keeps the other waiting.
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rest")
        self._streaming = ThreadPoolExecutor(_THREADS, thread_name_prefix="stream")
        self._room = Room(_MOST_WAITING, lambda: TOO_BUSY().with_headers(retry_after="1"))
        self._streams = Room(_MOST_STREAMS, TOO_BUSY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        one = _Exchange(scope, headers, receive, send)
        try:
            route, places = one.find()
            await self._answer(one, route, places)
        except (ClientGoneError, Gone):
            one.tell(_GONE, 499)
        except asyncio.CancelledError:
            # The server stops and has waited long enough.
            one.tell(_STOPPED, 503)
        except Exception as error:  # noqa: BLE001 (the edge: no call may end without an answer)
            await one.refuse(_explain(error, one.seen.request_id))

    def stop(self) -> None:
        """End the feeds, so that the server can stop."""
        self._site.watchers.stop()

    def close(self) -> None:
        """Let the calls that run be finished."""
        self._pool.shutdown()
        self._streaming.shutdown()
        self._site.uploads.pool.shutdown()

    async def _answer(self, one: "_Exchange", route: Route, places: Mapping[str, str]) -> None:
        key = None if route.role is None else await self._in_thread(lambda: self._authenticate(one, route))
        arguments = bind(route, places, one.scope["query_string"], one.headers)
        if route.takes_chunks:
            arguments |= {name: arriving(one.receive) for name in _chunked(route)}
            answer = await route.function(self._call(one, route, key), **arguments)
        else:
            body = await read_small(one.headers, one.receive)
            if route.body is not None and (body or route.needs_body):
                arguments["body"] = read_body(route.body, one.headers.get("content-type", ""), body)
            work = route.function if key is None else _with(route.function, self._call(one, route, key))
            answer = await self._in_thread(lambda: retried(lambda: work(**arguments)))
        await self._send(one, route, answer)

    def _authenticate(self, one: "_Exchange", route: Route) -> AccessKey:
        key = self._site.access.authenticate(one.headers)
        one.seen.access_key_id = key.id
        if route.role is not None and not key.role.may(route.role):
            raise ROLE_DENIED(where="Authorization", role=key.role, needed=route.role)
        return key

    def _call(self, one: "_Exchange", route: Route, key: AccessKey | None) -> RestCall:
        assert key is not None
        origin = self._registry.public_url or f"http://{one.headers.get('host', '')}"
        return RestCall(self._registry, route.name, key.account_id, key.role, origin, site=self._site, key=key)

    async def _send(self, one: "_Exchange", route: Route, answer: Any) -> None:  # noqa: ANN401 (whatever a route gives)
        if not isinstance(answer, Download | Feed):
            reply = answer if isinstance(answer, Reply) else Reply(answer)
            await one.reply(route, reply)
            return
        with self._streams:
            client = Client(one.receive, one.send)
            async with client.watched():
                await self._stream(one, client, answer)
        one.tell(_OK, 200)

    async def _stream(self, one: "_Exchange", client: Client, answer: Download | Feed) -> None:
        if isinstance(answer, Download):
            await send_download(client, answer, self._streaming, one.own_headers)
        else:
            await self._site.watchers.send(client, answer, self._streaming, one.own_headers)

    async def _in_thread(self, make: Callable[[], _Made]) -> _Made:
        with self._room:
            return await in_thread(self._pool, make)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = headers
        self.seen = Observation()
        self._receive = receive
        self._send = send
        self._has_read = False
        self._has_started = False
        self._action = _UNKNOWN

    @property
    def own_headers(self) -> dict[str, str]:
        return {"x-request-id": self.seen.request_id}

    def find(self) -> tuple[Route, Mapping[str, str]]:
        """Return the route of the request, and what stands in its path. Raises NOT_FOUND, METHOD_NOT_ALLOWED."""
        path, method = self.scope["path"], self.scope["method"]
        routes, places = find(path)
        if not routes:
            raise NOT_FOUND(where="path", path=path[:_LONGEST_PATH])
        if method not in routes:
            allowed = ", ".join(routes)
            raise METHOD_NOT_ALLOWED(
                where="method", path=path[:_LONGEST_PATH], method=method[:_LONGEST_PATH], allowed=allowed
            ).with_headers(allow=allowed)
        self._action = routes[method].name
        return routes[method], places

    async def receive(self) -> Any:  # noqa: ANN401 (an ASGI message)
        """Return a piece of the body."""
        message = await self._receive()
        self._has_read = not message.get("more_body", False)
        return message

    async def send(self, message: Any) -> None:  # noqa: ANN401 (an ASGI message)
        """Pass a message on."""
        self._has_started = True
        await self._send(message)

    async def reply(self, route: Route, reply: Reply[Any]) -> None:
        """Send an answer that is whole."""
        text = isinstance(reply.value, str)
        body = reply.value.encode() if text else render(reply.value)
        kind = {"content-type": route.media_type or "application/json"} if body else {}
        status = reply.status or route.status
        await self._whole(status, {**kind, "cache-control": "no-store", **reply.headers}, body)
        self.tell(_OK, status)

    async def refuse(self, problem: ProblemError) -> None:
        """Send a problem; if the answer has begun, break it off, so that nobody takes it for whole."""
        if not self._has_started:
            headers = {"content-type": CONTENT_TYPE, "cache-control": "no-store", **problem.headers}
            if not self._has_read:
                await let_go_by(self.headers, self.receive)
            if not self._has_read:
                headers["connection"] = "close"
            await self._whole(problem.status, headers, render(problem.details(self.seen.request_id)))
        self.tell(problem.code, problem.status)

    def tell(self, code: str, status: int) -> None:
        """Tell the log and the metrics what came of it."""
        self.seen.tell(self._action, code, status)

    async def _whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if status != 204:  # noqa: PLR2004 (No Content)
            headers = {"content-length": str(len(body)), **headers}
        client = Client(self.receive, self.send)
        await client.start(status, {**headers, **self.own_headers})
        await self.send({"type": "http.response.body", "body": body})


def _explain(error: Exception, request_id: str) -> ProblemError:
    """Return what the caller is told about an error."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RefusedError):
        if error.reason:
            _log.warning("Call %s failed: %s", request_id, error.reason)
        return translate(error)
    if isinstance(error, UnreadableFileError):
        where = "file" if error.line is None else f"line {error.line}"
        return UNREADABLE_FILE(where=where, problem=error.problem.rstrip("."), fix=error.fix)
    if isinstance(error, WrongMasterKeyError):
        _log.error("Call %s failed: the master key has been rotated. Start again with the new one.", request_id)
    if isinstance(error, WrongMasterKeyError | ConflictError):
        return translate(SERVICE_UNAVAILABLE())
    if isinstance(error, OSError) and error.errno in _FULL:
        _log.error("Call %s failed: %s", request_id, error.strerror)
        return DISK_FULL(where="body")
    _log.error("Call %s failed.", request_id, exc_info=error)
    return INTERNAL()


def _chunked(route: Route) -> list[str]:
    return [name for name in inspect.signature(route.function).parameters if name == "chunks"]


def _with(function: Callable[..., Any], call: RestCall) -> Callable[..., Any]:
    return lambda **arguments: function(call, **arguments)
