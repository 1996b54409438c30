"""Very long request lines, bounded.

Some of the vendor's SDKs put 10,000 names into the URL: 350,000 characters. uvicorn's own parser of URLs stops at
65,535, and nothing bounds how much of a URL or of headers is kept. So this protocol takes the query off before that
parser sees it, and counts what arrives.
"""

import asyncio
import http
from collections.abc import Callable
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nameplate.wire.render import Response
from nameplate.wire.request import Request

IS_WHOLE: Final = "nameplate.is_whole"
"""The mark of a request whose body had arrived before it was looked at."""

_HEADER_BYTES: Final = 65_536
_PATH_BYTES: Final = 8_192
_HEADER_COST: Final = 64
_UNSEEN_BYTES: Final = 512 * 1024
_HEAD_SECONDS: Final = 30
_DRAINED_BYTES: Final = 64 * 1024 * 1024
_DRAINED_SECONDS: Final = 5


class TooLargeError(Exception):
    """The request line or the headers are over the bound."""


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with request lines up to `most` bytes; what is larger is refused by `refuse` before it is kept."""

    most: int
    refuse: Callable[[Request], Response]

    _target: list[bytes]
    _left = 0
    _headers_left = 0
    _unseen = 0
    _in_head = True
    _upgrade: bytes | None = None
    _drained: int | None = None
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Wait for a request, but not forever."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # as uvicorn narrows it
        """Keep the connection if a request has come to its end and not its answer: the client still reads."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; after a refusal, let the rest go by, so that the client can finish and read it."""
        if self._drained is None:
            self._unseen += len(data)
            self._feed(data)
            if self._unseen > _UNSEEN_BYTES and self._drained is None and not self.transport.is_closing():
                # A header that does not end: the parser keeps it all and says nothing.
                self._left = -1
                self.send_400_response("")
            return
        self._drained += len(data)
        if self._drained > _DRAINED_BYTES or data.endswith(b"\r\n\r\n"):
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start counting."""
        super().on_message_begin()
        self._target = []
        self._left = self.most
        self._headers_left = _HEADER_BYTES
        self._unseen = 0
        self._in_head = True
        self._expect_head()

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the request target."""
        self._unseen = 0
        self._target.append(url)
        self._left -= len(url)
        if self._left < 0:
            raise TooLargeError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows the last chunk of a body is none."""
        self._unseen = 0
        if not self._in_head:
            return
        self._headers_left -= len(name) + len(value) + _HEADER_COST
        if self._headers_left < 0:
            self._left = -1
            raise TooLargeError
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._unseen = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Start the request with its query, which the URL parser has not seen."""
        self._in_head = False
        self._unseen = 0
        self._stop_waiting()
        path, _, query = b"".join(self._target).partition(b"?")
        if len(path) > _PATH_BYTES:
            raise TooLargeError
        if self.parser.should_upgrade():
            lines = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
            target = b"".join(self._target)
            self._upgrade = b"%b %b HTTP/1.1\r\n%b\r\n" % (self.parser.get_method(), target, b"".join(lines))
            return
        self.url = path
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]

    def on_message_complete(self) -> None:
        """Let the request be answered."""
        self._unseen = 0
        if self._upgrade is None:
            self.scope[IS_WHOLE] = True  # type: ignore[typeddict-unknown-key]  # a mark of ours
            super().on_message_complete()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The parser takes what follows for another protocol, the body included: parse it as if nobody had asked.
            head, self._upgrade = self._upgrade, None
            self.parser = httptools.HttpRequestParser(self)
            self._feed((head or b"") + data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._slow = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed: one over the bound in the wire's own words."""
        if self._left >= 0:
            super().send_400_response(msg)
            return
        self._drained = 0
        query = b"".join(self._target).partition(b"?")[2]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}
        response = self.refuse(Request("GET", query, headers, b""))
        status = http.HTTPStatus(response.status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {response.content_type}\r\n"
            f"content-length: {len(response.body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("latin-1") + response.body)
        self.loop.call_later(_DRAINED_SECONDS, self.transport.close)


def bounded_protocol(most: int, refuse: Callable[[Request], Response]) -> type[BoundedProtocol]:
    """Return the protocol with this bound, in bytes, and this way of refusing."""
    return type(
        "Protocol",
        (BoundedProtocol,),
        {"most": most + _PATH_BYTES, "refuse": staticmethod(refuse)},
    )
