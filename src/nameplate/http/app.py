"""The only file that knows the web framework's application object.

Three lanes: a small call for a cheap keyed read is answered on the event loop, since a hop to a thread costs more than
such a read; a long one, with its thousands of names, is answered one after another; everything else goes to a bounded
pool of threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from nameplate.coverage import coverage_page
from nameplate.domain.secrets import WrongMasterKeyError
from nameplate.errors import SERVICE_UNAVAILABLE
from nameplate.gateway import Gateway
from nameplate.http.answers import respond
from nameplate.http.bodies import Bodies
from nameplate.http.downloads import Downloads
from nameplate.http.hooks import HookApp
from nameplate.http.messages import read_head
from nameplate.http.probes import Probes
from nameplate.http.protocol import IS_WHOLE
from nameplate.http.room import Room
from nameplate.metrics import CONTENT_TYPE
from nameplate.reference import errors_page
from nameplate.refusal import RefusedError
from nameplate.rest.application import PREFIX, Rest
from nameplate.wire.render import Response
from nameplate.wire.request import Request

_THREADS: Final = 8
# Long calls that are parsed at the same time take turns at the interpreter: the first is done as late as the last, and
# whoever wants to say a word in between waits for all. Where the database is across a network, one waits for an answer
# while another is parsed.
_LONG_BYTES: Final = 65_536
_LONG_AT_ONCE: Final = 1
_LONG_AT_ONCE_ACROSS_A_NETWORK: Final = 2
_MOST_WAITING: Final = 128


class OpenApi:
    """The signed OpenAPI, as an ASGI application."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="call")
        at_once = _LONG_AT_ONCE if gateway.is_embedded else _LONG_AT_ONCE_ACROSS_A_NETWORK
        self._long = ThreadPoolExecutor(at_once, thread_name_prefix="long-call")
        self._bodies = Bodies()
        self._room = Room(_MOST_WAITING, SERVICE_UNAVAILABLE)
        self._committing: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        head = read_head(scope)
        answer = self._answer(head, receive, is_whole=IS_WHOLE in scope)
        await respond(answer, partial(self._gateway.refuse, head), send)

    def close(self) -> None:
        """Let the calls that run be finished."""
        self._long.shutdown()
        self._pool.shutdown()

    async def _answer(self, head: Request, receive: Receive, *, is_whole: bool) -> Response:
        body = await self._bodies.read(head, receive, is_whole=is_whole)
        try:
            request = Request(head.method, head.query, head.headers, body)
            if not self._gateway.is_inline(request):
                pool = self._long if request.size > _LONG_BYTES else self._pool
                return await self._in(pool, partial(self._gateway.answer, request))
            begun = self._gateway.begin(request)
            await self._committed()
            return begun if isinstance(begun, Response) else await self._in(self._pool, begun)
        finally:
            self._bodies.let_go(body)

    async def _committed(self) -> None:
        """Wait until what was begun in this turn of the event loop is committed, all at once."""
        if self._committing is None:
            loop = asyncio.get_running_loop()
            self._committing = loop.create_future()
            loop.call_soon(self._commit, self._committing)
        await self._committing

    def _commit(self, committing: asyncio.Future[None]) -> None:
        self._committing = None
        try:
            self._gateway.commit()
        except Exception as error:  # noqa: BLE001 (raised again to every call that waits)
            committing.set_exception(error)
        else:
            committing.set_result(None)

    async def _in(self, pool: ThreadPoolExecutor, make: Callable[[], Response]) -> Response:
        with self._room:
            return await asyncio.get_running_loop().run_in_executor(pool, make)


def make_app(openapi: OpenApi, rest: Rest, hooks: HookApp, probes: Probes, downloads: Downloads) -> ASGIApp:
    """Return the application: the signed OpenAPI on `/`, REST under `/v1`, brokers' hooks, and what is beside them."""
    beside = _beside(probes, downloads)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # A router and two layers of middleware cost as much as reading a batch's state.
        path = scope["path"]
        if path == "/":
            await openapi(scope, receive, send)
        elif path.startswith(PREFIX):
            await rest(scope, receive, send)
        else:
            await (hooks if hooks.serves(path) else beside)(scope, receive, send)

    return app


def _beside(probes: Probes, downloads: Downloads) -> Starlette:
    async def ready(_: HttpRequest) -> HttpResponse:
        found = await run_in_threadpool(probes.readiness)
        return JSONResponse(found.checks, 200 if found.is_ready else 503)

    async def metrics(_: HttpRequest) -> HttpResponse:
        return HttpResponse(await run_in_threadpool(probes.metrics), headers={"content-type": CONTENT_TYPE})

    async def certificates(request: HttpRequest) -> HttpResponse:
        batch = request.path_params["batch"]
        expires, signature = (request.query_params.get(name, "") for name in ("Expires", "Signature"))
        try:
            file = await run_in_threadpool(downloads.certificates, batch, expires, signature)
        except (RefusedError, WrongMasterKeyError):
            return PlainTextResponse("The certificates cannot be read now. Try again.\n", 503)
        if file is None:
            return PlainTextResponse("This link is not valid, or not any more. Ask for a new one.\n", 403)
        headers = {"content-disposition": f'attachment; filename="{batch}.zip"', "cache-control": "no-store"}
        return HttpResponse(file, media_type="application/zip", headers=headers)

    routes = [Route("/errors", _errors), Route("/healthz", _health), Route("/readyz", ready)]
    routes += [Route("/coverage", _coverage), Route("/certs/{batch}.zip", certificates)]
    return Starlette(routes=[*routes, Route("/metrics", metrics)])


async def _health(_: HttpRequest) -> HttpResponse:
    return PlainTextResponse("ok\n")


async def _errors(_: HttpRequest) -> HttpResponse:
    return PlainTextResponse(errors_page(), media_type="text/markdown")


async def _coverage(_: HttpRequest) -> HttpResponse:
    return PlainTextResponse(coverage_page(), media_type="text/markdown")
