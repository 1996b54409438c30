"""Live progress: server-sent events, however many listen, until the batch ends."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest
from starlette.types import Message

from nameplate.rest.events import Watchers
from nameplate.rest.replies import Feed, Seen
from nameplate.rest.streams import Client
from tests.rest.test_uploads import announce, basic, table
from tests.support import batch
from tests.support.disk import wait_until
from tests.support.rest import RestClient
from tests.support.server import Server


class Listener:
    """Somebody who follows a batch: what was heard so far."""

    def __init__(self, server: Server, path: str, **headers: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.headers = httpx.Headers()
        self.has_ended = False
        self._url = f"http://127.0.0.1:{server.port}{path}/events"
        self._auth = (server.root.key_id, server.root.secret)
        self._sent = headers
        self.thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        sent = {"url": self._url, "auth": self._auth, "headers": self._sent, "timeout": 60, "trust_env": False}
        with httpx.stream("GET", **sent) as answer:  # type: ignore[arg-type]  # of several types
            self.headers = answer.headers
            name = ""
            for line in answer.iter_lines():
                word, _, rest = line.partition(": ")
                if word == "event":
                    name = rest
                elif word == "data":
                    self.events.append((name, orjson.loads(rest)))
        self.has_ended = True

    @property
    def stages(self) -> list[str]:
        return [progress["stage"] for _, progress in self.events]


@contextmanager
def listening(server: Server, path: str, count: int = 1, **headers: str) -> Iterator[list[Listener]]:
    listeners = [Listener(server, path, **headers) for _ in range(count)]
    for listener in listeners:
        listener.thread.start()
    yield listeners
    for listener in listeners:
        listener.thread.join(60)
        assert listener.has_ended


def test_a_batch_is_followed_to_its_end(server: Server, rest: RestClient) -> None:
    data = table(3000)
    path = announce(rest, len(data), apply={"policy": "all-or-nothing"})
    with listening(server, path, 3, **{"last-event-id": "7"}) as listeners:
        wait_until(lambda: all(listener.events for listener in listeners), 20)
        rest.ok("PUT", f"{path}/file", content=data)
    for listener in listeners:
        assert listener.headers["content-type"] == "text/event-stream"
        assert listener.headers["x-accel-buffering"] == "no"
        assert listener.headers["cache-control"] == "no-store"
        names = [name for name, _ in listener.events]
        assert names == ["progress"] * (len(names) - 1) + ["end"]
        assert listener.stages[0] == "uploading"
        last = listener.events[-1][1]
        assert (last["stage"], last["state"], last["created"]) == ("ended", "CREATE_SUCCESS", 3000)
        assert last == rest.ok("GET", path)


def test_who_comes_late_hears_how_it_ended(server: Server, rest: RestClient) -> None:
    path = announce(rest, 100)
    rest.ok("POST", f"{path}/cancel")
    with listening(server, path) as (listener,):
        pass
    assert [(name, progress["stage"]) for name, progress in listener.events] == [("end", "cancelled")]


def test_who_takes_the_head_slowly_hears_the_end_all_the_same() -> None:
    """A batch at its end is looked at once, and that may be over before the client has taken anything."""
    looked, sent = asyncio.Event(), b""

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        nonlocal sent
        sent += message.get("body", b"")
        await looked.wait()
        # So long that what the look has found is known.
        await asyncio.sleep(0.1)

    async def follow() -> None:
        loop = asyncio.get_running_loop()

        def look() -> Seen:
            loop.call_soon_threadsafe(looked.set)
            return Seen({"stage": "ended"}, has_ended=True)

        with ThreadPoolExecutor(1) as pool:
            await asyncio.wait_for(Watchers().send(Client(receive, send), Feed(1, look), pool, {}), 10)

    asyncio.run(follow())
    assert b'event: end\nid: 1\ndata: {"stage":"ended"}' in sent


def test_a_change_is_told_at_once(server: Server, rest: RestClient) -> None:
    path = announce(rest, 100)
    with listening(server, path) as (listener,):
        wait_until(lambda: listener.events, 20)
        assert len(listener.events) == 1
        rest.ok("POST", f"{path}/cancel")
    assert listener.stages == ["uploading", "cancelled"]


def test_a_listener_that_goes_away_harms_nobody(server: Server, rest: RestClient) -> None:
    path = announce(rest, 100)
    with listening(server, path) as (stays,):
        with socket.create_connection(("127.0.0.1", server.port)) as leaves:
            head = f"GET {path}/events HTTP/1.1\r\nhost: x\r\nauthorization: {basic(server)}\r\n\r\n"
            leaves.sendall(head.encode())
            assert leaves.recv(100)
            leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: "code=ClientGone status=499" in server.log, 10)
        rest.ok("POST", f"{path}/cancel")
    assert stays.stages[-1] == "cancelled"


def test_a_server_that_stops_ends_its_feeds(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    server = Server(tmp_path_factory.mktemp("stopping") / "data", **settings).start()
    with RestClient(server.root) as rest:
        path = announce(rest, 100)
    with listening(server, path) as (listener,):
        wait_until(lambda: listener.events, 20)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 10
    assert [name for name, _ in listener.events] == ["progress"]
    assert "Traceback" not in server.log


def test_a_batch_that_cannot_be_followed(server: Server, rest: RestClient, stranger: RestClient, product: str) -> None:
    rest.refused(404, "iot.device.DeviceApplyIsNotFound", "GET", "/v1/batches/999999999/events")
    stranger.refused(404, "iot.device.DeviceApplyIsNotFound", "GET", f"{announce(rest, 1)}/events")
    wire = batch.register(server.root, product, ["pump-1"])
    rest.refused(409, "nameplate.batch.NotOfAFile", "GET", f"/v1/batches/{wire}/events")
