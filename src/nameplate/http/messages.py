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
    content_type = response.content_type.encode("latin-1")
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(response.body))]
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
