"""A load generator in a process of its own: prepared bytes out, answers counted in, nothing else in between."""

import asyncio
import gc
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Final, Self, cast

import uvloop

from bench.calls import answer_end

_STOP: Final = "stop"


@dataclass(frozen=True, slots=True)
class Job:
    """Requests to send on so many connections: each as soon as one is free or, with a rate, so many a second."""

    port: int
    requests: Sequence[bytes]
    expected: bytes
    connections: int
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job came to: seconds of every answer, seconds in all, and the generator's own CPU seconds."""

    latencies: list[float]
    seconds: float
    cpu: float

    @property
    def per_second(self) -> float:
        """How many answers there were in a second."""
        return len(self.latencies) / self.seconds


class Generator:
    """The process; does one job at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def start(self, job: Job) -> None:
        """Start a job."""
        self._pipe.send(job)

    def stop(self) -> Outcome:
        """End a job with a rate early, and return what it came to."""
        self._pipe.send(_STOP)
        return self.wait()

    def wait(self) -> Outcome:
        """Return what a job came to, once it has."""
        found = self._pipe.recv()
        if isinstance(found, Outcome):
            return found
        message = f"The load generator failed: {found}"
        raise RuntimeError(message)

    def run(self, job: Job) -> Outcome:
        """Do a job to its end."""
        self.start(job)
        return self.wait()


def _main(pipe: Pipe) -> None:
    gc.disable()
    with suppress(EOFError):
        while True:
            job = pipe.recv()
            if job == _STOP:  # came after the job had ended by itself
                continue
            try:
                outcome: Outcome | str = uvloop.run(_do(job, pipe))
            except Exception as error:  # noqa: BLE001 (said where somebody can see it)
                outcome = repr(error)
            pipe.send(outcome)
            gc.collect()


async def _do(job: Job, pipe: Pipe) -> Outcome:
    return await _Run(job, pipe).work()


class _Channel(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(
        self, expected: bytes, answered: Callable[["_Channel", float], None], failed: Callable[[str], None]
    ) -> None:
        self._expected = expected
        self._answered = answered
        self._failed = failed
        self._received = b""
        self._since = 0.0
        self._is_waiting = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is none by inheritance

    def send(self, request: bytes, since: float) -> None:
        """Send a request whose time counts from `since`."""
        assert self._transport is not None
        if self._transport.is_closing():
            self._failed("The server closed a connection that was to be used again.")
            return
        self._since = since
        self._is_waiting = True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = answer_end(received)
        if end is None or len(received) < end:
            self._received = received
            return
        self._received = b""
        self._is_waiting = False
        if not received.startswith(b"HTTP/1.1 200 ") or self._expected not in received:
            self._failed(received.decode("utf-8", "replace"))
            return
        self._answered(self, time.perf_counter() - self._since)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_waiting:
            self._failed(f"The server closed a connection: {exc}")

    def close(self) -> None:
        """Close the connection; that it ends is then no failure."""
        self._failed = lambda _: None
        if self._transport is not None:
            self._transport.close()


class _Run:
    """One job on its way."""

    def __init__(self, job: Job, pipe: Pipe) -> None:
        self._job = job
        self._pipe = pipe
        self._due: deque[tuple[bytes, float]] = deque()
        self._free: deque[_Channel] = deque()  # in turn, or the server closes those that idle
        self._latencies: list[float] = []
        self._is_last = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(self) -> Outcome:
        """Do the job."""
        loop = asyncio.get_running_loop()
        for _ in range(self._job.connections):
            _, channel = await loop.create_connection(self._channel, "127.0.0.1", self._job.port)
            self._free.append(channel)
        channels = list(self._free)
        began, cpu = time.perf_counter(), time.process_time()
        try:
            await (self._flood() if self._job.rate is None else self._pace(self._job.rate))
            return Outcome(self._latencies, time.perf_counter() - began, time.process_time() - cpu)
        finally:
            for channel in channels:
                channel.close()

    def _channel(self) -> _Channel:
        return _Channel(self._job.expected, self._answered, self._failed)

    async def _flood(self) -> None:
        self._due.extend((request, 0.0) for request in self._job.requests)
        self._is_last = True
        while self._free and self._due:
            self._send(self._free.popleft())
        await self._ended

    async def _pace(self, rate: float) -> None:
        """Send each request when it is due; one that has to wait for a connection has waited all the same."""
        began = time.perf_counter()
        for number, request in enumerate(self._job.requests):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self._ended.done() or (self._pipe.poll() and self._pipe.recv() == _STOP):
                break
            self._due.append((request, due))
            if self._free:
                self._send(self._free.popleft())
        self._is_last = True
        if self._ended.done() or len(self._free) < self._job.connections:
            await self._ended

    def _send(self, channel: _Channel) -> None:
        request, since = self._due.popleft()
        channel.send(request, since or time.perf_counter())

    def _answered(self, channel: _Channel, seconds: float) -> None:
        self._latencies.append(seconds)
        if self._due:
            self._send(channel)
            return
        self._free.append(channel)
        if self._is_last and len(self._free) == self._job.connections and not self._ended.done():
            self._ended.set_result(None)

    def _failed(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(RuntimeError(why))
