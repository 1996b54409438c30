"""Signed calls as bytes, prepared before any clock starts, and connections that cost next to nothing to use."""

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlencode

import orjson

from tests.support.server import ROOT_ID, ROOT_SECRET
from tests.support.signer import Client, numbered, sign_v1

ROWS: Final = 10_000
"""Names in a batch: as many as a call takes."""


class Key(NamedTuple):
    """An access key."""

    id: str
    secret: str


ROOT: Final = Key(ROOT_ID, ROOT_SECRET)

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_READ_BYTES: Final = 262_144


def sequential(batch: int) -> list[str]:
    """Return a batch's names, counted: sn-000000000001 and up."""
    return [f"sn-{number:012}" for number in range(batch * ROWS + 1, (batch + 1) * ROWS + 1)]


def scattered(batch: int) -> list[str]:
    """Return a batch's names, 16 hexadecimal digits in no order; the same at every run."""
    return [
        blake2b(number.to_bytes(8, "big"), digest_size=8).hexdigest()
        for number in range(batch * ROWS, (batch + 1) * ROWS)
    ]


KINDS: Final[dict[str, Callable[[int], list[str]]]] = {"sequential": sequential, "random": scattered}
"""Names by the batch, of each kind."""


def sign(action: str, parameters: Mapping[str, str | None], key: Key = ROOT) -> bytes:
    """Return a whole HTTP request for a v1 call, parameters in the body.

    v1 signs no header, so it does for a server on any port.
    """
    signed = Client(0, key.id, key.secret).parameters(action, parameters)
    signed["Signature"] = sign_v1("POST", signed, key.secret)
    body = urlencode(signed).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def sign_check(product: str, names: Sequence[str], key: Key = ROOT) -> bytes:
    """Return the call that submits names."""
    return sign("BatchCheckDeviceNames", {"ProductKey": product, **numbered("DeviceName", list(names))}, key)


def sign_status(product: str, apply_id: int, key: Key = ROOT) -> bytes:
    """Return the call that asks how far a batch is."""
    return sign("QueryBatchRegisterDeviceStatus", {"ProductKey": product, "ApplyId": str(apply_id)}, key)


def get(path: str) -> bytes:
    """Return a plain GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def answer_end(received: bytes | bytearray) -> int | None:
    """Return where the answer's body ends, or None while not even its head has arrived."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(received, 0, head + 2)
    return head + 4 + (int(length[1]) if length else 0)


class Connection:
    """A keep-alive connection that sends prepared requests, one at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, request: bytes) -> dict[str, Any]:
        """Send a signed call, which has to succeed, and return its answer."""
        self._socket.sendall(request)
        received = bytearray()
        while (end := answer_end(received)) is None or len(received) < end:
            piece = self._socket.recv(_READ_BYTES)
            if not piece:
                message = "The server closed the connection."
                raise ConnectionError(message)
            received += piece
        if not received.startswith(b"HTTP/1.1 200 ") or b'"Success":true' not in received:
            message = f"A call was refused: {received.decode('utf-8', 'replace')}"
            raise RuntimeError(message)
        answer: dict[str, Any] = orjson.loads(received[received.find(b"\r\n\r\n") + 4 : end])
        return answer
