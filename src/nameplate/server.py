"""The composition root: settings → store → registry → gateway → app, with its embedded worker."""

import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NamedTuple

import uvicorn
from prometheus_client import start_http_server
from starlette.types import ASGIApp

from nameplate.authority import certificates
from nameplate.brokers.hooks import Hooks
from nameplate.brokers.presence import Presence
from nameplate.brokers.protection import Protection
from nameplate.call import Limits, Quotas, Registry
from nameplate.data_dir import FILES, StartError, database_url, master_key, prepare
from nameplate.domain.device import IotIds
from nameplate.domain.rates import Rates
from nameplate.errors import REQUEST_TOO_LARGE
from nameplate.gateway import Gateway
from nameplate.http.app import OpenApi, make_app
from nameplate.http.bodies import MAX_BYTES
from nameplate.http.downloads import Downloads
from nameplate.http.hooks import HookApp
from nameplate.http.probes import Probes
from nameplate.http.protocol import bounded_protocol
from nameplate.imports.reader import Readers
from nameplate.leases import Leases
from nameplate.rest.site import make_rest
from nameplate.root_key import ensure_root_key
from nameplate.settings import Settings
from nameplate.signals import Stop
from nameplate.store.database import UnusableDatabaseError
from nameplate.store.store import Store
from nameplate.webhooks.deliverer import Deliverer
from nameplate.worker import Worker, Workers, make_pace

_SHUTDOWN_SECONDS: Final = 30
# Clients and proxies keep idle connections for 5 to 60 seconds: whoever closes first must not be the server, whose
# goodbye may cross the next request.
_KEEP_ALIVE_SECONDS: Final = 75
# The default of 5 ms lets one thread that parses a large call keep the event loop waiting for as long.
_SWITCH_SECONDS: Final = 0.001
# What a start has made stays, and calls make next to no cycles. To look for them after every 700 objects, the default,
# took a fifth of the time of ten thousand first connections.
_ALLOCATIONS: Final = 50_000


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
            instance_id=settings.instance_id,
            limits=Limits(settings.most_products, settings.most_devices),
            rates=Rates() if settings.quotas is Quotas.VENDOR else None,
            public_url=settings.public_url and settings.public_url.rstrip("/"),
            certificates=certificates(settings, store.installation, master, iot_id_key, clock()),
            files=settings.data_dir / FILES,
            token_key=iot_id_key,
        )
    finally:
        store.close()


def make_workers(registry: Registry, settings: Settings, count: int) -> Workers:
    """Return workers on this registry's batches, not started."""
    leases = Leases(registry.store, registry.clock, settings.lease)
    pace = make_pace(registry)
    return Workers([Worker(registry, leases, pace) for _ in range(count)], leases)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what runs.

    `say` is given what a person should read. Raises StartError.
    """
    with open_registry(settings) as opened, listen(settings) as listener:
        announce_root_key(settings, opened, say)
        workers = make_workers(opened, settings, settings.workers)
        readers = Readers(replace(opened, wake=workers.wake), settings)
        registry = replace(opened, wake=workers.wake, wake_readers=readers.wake)
        gateway, rest, deliverer = Gateway(registry), make_rest(registry), Deliverer(registry)
        openapi = OpenApi(gateway)
        presence = Presence(registry.store.connections)
        hooks = HookApp(Hooks(registry, presence, _protection(settings)))
        sys.setswitchinterval(_SWITCH_SECONDS)
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS)
        app = make_app(openapi, rest, hooks, Probes(registry), Downloads(registry))
        beside = (workers, presence, readers, deliverer)
        for one in beside:
            one.start()
        try:
            _run(app, gateway, listener, _Moments(lambda at: say(f"nameplate is ready on {at}"), rest.stop))
        finally:
            for answering in (openapi, rest, hooks):
                answering.close()
            for one in reversed(beside):
                one.stop()


def _protection(settings: Settings) -> Protection:
    secret = settings.broker_secret
    return Protection(None if secret is None else secret.get_secret_value())


def announce_root_key(settings: Settings, registry: Registry, say: Callable[[str], None]) -> None:
    """Make sure that there is a root access key, and show it if it was minted just now."""
    minted = ensure_root_key(settings, registry)
    if minted is not None:
        say(f"Root access key, shown once and kept in {minted.path}: {minted.id} {minted.secret}")


def work(settings: Settings, say: Callable[[str], None]) -> None:
    """Work on batches until SIGTERM or SIGINT, then finish the present parts. Raises StartError."""
    with open_registry(settings) as registry, _exporting(settings) as port:
        workers = make_workers(registry, settings, max(1, settings.workers))
        stop = Stop()
        deliverer = Deliverer(registry)
        workers.start()
        deliverer.start()
        metrics = "" if port is None else f", its metrics on http://{settings.host}:{port}/metrics"
        say(f"nameplate worker is ready on {registry.store.database.location}{metrics}")
        stop.wait()
        deliverer.stop()
        workers.stop()


@contextmanager
def _exporting(settings: Settings) -> Iterator[int | None]:
    """Answer /metrics beside a worker, if that is asked for; yields the port."""
    if settings.metrics_port is None:
        yield None
        return
    try:
        exporter, thread = start_http_server(settings.metrics_port, settings.host)
    except OSError as error:
        message = f"The metrics cannot be served on {settings.host}:{settings.metrics_port}: {error.strerror}."
        raise StartError(message) from None
    try:
        yield exporter.server_port
    finally:
        exporter.shutdown()
        exporter.server_close()
        thread.join()


class _Moments(NamedTuple):
    """What is to be done when the server accepts calls, at an address, and when it begins to stop."""

    ready: Callable[[str], None]
    stopping: Callable[[], None]


class _Server(uvicorn.Server):
    """Uvicorn, saying when it accepts calls and when it stops."""

    def __init__(self, config: uvicorn.Config, address: str, moments: _Moments) -> None:
        super().__init__(config)
        self._address = address
        self._moments = moments

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._moments.ready(self._address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._moments.stopping()
        await super().shutdown(sockets)


def _run(app: ASGIApp, gateway: Gateway, listener: socket.socket, moments: _Moments) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
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
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    # uvicorn raises the signal that stopped it once more when it has finished; then it must do nothing.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, f"http://{host}:{port}", moments).run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens: an inherited one, or one on the configured address. Raises StartError."""
    try:
        if settings.listen_fd is not None:
            return socket.socket(fileno=settings.listen_fd)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        where = f"{settings.host}:{settings.port}" if settings.listen_fd is None else f"socket {settings.listen_fd}"
        message = f"Nameplate cannot listen on {where}: {error.strerror}."
        raise StartError(message) from None
