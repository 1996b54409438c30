"""Heads and answers between ASGI and the wire."""

from starlette.types import Scope, Send

from nameplate.wire.render import Response
from nameplate.wire.request import Request


def read_head(scope: Scope) -> Request:
    """Return a request without its body."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["query_string"], headers, b"")


async def send_response(response: Response, send: Send) -> None:
    """Send an answer."""
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        **response.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": response.body})
