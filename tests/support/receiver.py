"""An endpoint of webhooks: a real HTTP server that verifies what it is sent with the library, and answers as told."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

from tests.support.disk import wait_until


@dataclass
class Receiver:
    """What has arrived, and what is answered: the statuses that are given, in order, and then 204."""

    port: int = 0
    secret: str = ""
    statuses: deque[int] = field(default_factory=deque)
    attempts: list[str] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        """Take one message, and return the status to answer."""
        self.attempts.append(headers["webhook-id"])
        try:
            message = Webhook(self.secret).verify(body, headers)
        except Exception as error:  # noqa: BLE001 (whatever is wrong is told by the test)
            self.wrong.append(repr(error))
            return 400
        status = self.statuses.popleft() if self.statuses else 204
        if status < 300:
            self.told[headers["webhook-id"]] = message
        return status

    def wait(self, count: int, seconds: float = 40) -> list[dict[str, Any]]:
        """Return what was told, once that is this much."""
        wait_until(lambda: len(self.told) >= count, seconds)
        assert self.wrong == []
        return list(self.told.values())

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Listen; on the same port each time."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.receive({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", receiver.url)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
