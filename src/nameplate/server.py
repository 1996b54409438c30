"""The composition root: settings → store → registry → gateway → app, with its embedded worker."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import uvicorn

from nameplate.call import Registry
from nameplate.data_dir import StartError, database_url, master_key, prepare
from nameplate.domain.device import IotIds
from nameplate.errors import REQUEST_TOO_LARGE
from nameplate.gateway import Gateway
from nameplate.http import OpenApi, make_app
from nameplate.http_body import MAX_BYTES
from nameplate.http_protocol import bounded_protocol
from nameplate.root_key import ensure_root_key
from nameplate.settings import Settings
from nameplate.store.database import UnusableDatabaseError
from nameplate.store.store import Store
from nameplate.worker import Worker, Workers

_SHUTDOWN_SECONDS: Final = 30
# The default of 5 ms lets one thread that parses a large call keep the event loop waiting for as long.
_SWITCH_SECONDS: Final = 0.001


def clock() -> int:
    """Return the time now, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000  # noqa: TID251 (the one clock)


@contextmanager
def open_registry(settings: Settings) -> Iterator[Registry]:
    """Open what every call shares, and close it at the end.

    Raises StartError.
    """
    prepare(settings)
    try:
        store = Store(database_url(settings), settings.data_dir)
    except UnusableDatabaseError as error:
        raise StartError(str(error)) from None
    try:
        master, iot_id_key = master_key(settings, store.installation)
        yield Registry(
            store=store,
            master=master,
            iot_ids=IotIds(iot_id_key),
            clock=clock,
            wake=lambda: None,
            region=settings.region,
            strict=settings.strict,
            name_check=settings.name_check,
        )
    finally:
        store.close()


def make_workers(registry: Registry, settings: Settings, count: int) -> Workers:
    """Return workers on this registry's batches, not started."""
    store, ids, lease = registry.store, registry.iot_ids, settings.lease
    return Workers([Worker(store, ids, registry.clock, lease) for _ in range(count)])


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs.

    `say` is given what a person should read.
    """
    with open_registry(settings) as registry, _listen(settings) as listener:
        minted = ensure_root_key(settings, registry)
        if minted is not None:
            say(f"Root access key, shown once and kept in {minted.path}: {minted.id} {minted.secret}")
        workers = make_workers(registry, settings, settings.workers)
        gateway = Gateway(replace(registry, wake=workers.wake))
        openapi = OpenApi(gateway)
        sys.setswitchinterval(_SWITCH_SECONDS)
        workers.start()
        try:
            _run(openapi, gateway, listener, say)
        finally:
            openapi.close()
            workers.stop()


def work(settings: Settings, say: Callable[[str], None]) -> None:
    """Work on batches until SIGTERM or SIGINT, then finish the present parts."""
    with open_registry(settings) as registry:
        workers = make_workers(registry, settings, max(1, settings.workers))
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        workers.start()
        say(f"nameplate worker is ready on {registry.store.database.path}")
        stopping.wait()
        workers.stop()


class _Server(uvicorn.Server):
    """Uvicorn, saying when it accepts calls."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _run(openapi: OpenApi, gateway: Gateway, listener: socket.socket, say: Callable[[str], None]) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        make_app(openapi),
        http=bounded_protocol(
            MAX_BYTES, lambda request: gateway.refuse(request, REQUEST_TOO_LARGE(limit=f"{MAX_BYTES} bytes"))
        ),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    # uvicorn raises the signal that stopped it once more when it has finished; then it must do nothing.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, lambda: say(f"nameplate is ready on http://{host}:{port}")).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        message = f"Nameplate cannot listen on {settings.host}:{settings.port}: {error.strerror}."
        raise StartError(message) from None
