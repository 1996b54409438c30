"""Very long request lines, bounded.

Some of the vendor's SDKs put 10,000 names into the URL: 350,000 characters. uvicorn's own parser of URLs stops at
65,535, and nothing bounds how much of a URL or of headers is kept. So this protocol takes the query off before that
parser sees it, and counts what arrives.
"""

import http
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nameplate.wire.render import Response
from nameplate.wire.request import Request

_HEADER_BYTES: Final = 65_536
_PATH_BYTES: Final = 8_192
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
    _drained: int | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; after a refusal, let the rest go by, so that the client can finish and read it."""
        if self._drained is None:
            super().data_received(data)
            return
        self._drained += len(data)
        if self._drained > _DRAINED_BYTES or data.endswith(b"\r\n\r\n"):
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start counting."""
        super().on_message_begin()
        self._target = []
        self._left = self.most

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the request target."""
        self._target.append(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request with its query, which the URL parser has not seen."""
        path, _, query = b"".join(self._target).partition(b"?")
        if len(path) > _PATH_BYTES:
            raise TooLargeError
        self.url = path
        super().on_headers_complete()
        self.scope["query_string"] = query.partition(b"#")[0]

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

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLargeError


def bounded_protocol(most: int, refuse: Callable[[Request], Response]) -> type[BoundedProtocol]:
    """Return the protocol with this bound, in bytes, and this way of refusing."""
    return type(
        "Protocol",
        (BoundedProtocol,),
        {"most": most + _HEADER_BYTES, "refuse": staticmethod(refuse)},
    )
