"""Request bodies: small ones whole, large ones as they arrive; neither is ever held beyond a bound."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.types import Message, Receive

from nameplate.http.bodies import ClientGoneError, discard
from nameplate.rest.problems import BODY_TOO_LARGE, BODY_TOO_SLOW
from nameplate.rest.routes import Chunks

JSON_BYTES: Final = 64 * 1024
SECONDS: Final = 60
"""For how long nothing may arrive."""

_GATHERED: Final = 256 * 1024


async def read_small(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return a whole body. Raises BODY_TOO_LARGE, when there may be more to come, BODY_TOO_SLOW and ClientGoneError."""
    length = int(headers.get("content-length", "0"))
    body, more = bytearray(), length > 0 or "transfer-encoding" in headers
    while more and max(length, len(body)) <= JSON_BYTES:
        message = await _next(receive)
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if max(length, len(body)) <= JSON_BYTES:
        return bytes(body)
    raise BODY_TOO_LARGE(where="body", most=JSON_BYTES, path="/v1/batches/{batch_id}/file")


async def arriving(receive: Receive) -> Chunks:
    """Yield a body as it arrives. Raises BODY_TOO_SLOW and ClientGoneError."""
    gathered, more = bytearray(), True
    while more:
        try:
            message = await _next(receive)
        except Exception:
            # What has come is worth keeping: it need not be sent again.
            if gathered:
                yield bytes(gathered)
            raise
        gathered += message.get("body", b"")
        more = message.get("more_body", False)
        if len(gathered) >= _GATHERED or not more:
            yield bytes(gathered)
            gathered = bytearray()


async def _next(receive: Receive) -> Message:
    try:
        async with asyncio.timeout(SECONDS):
            message = await receive()
    except TimeoutError:
        raise BODY_TOO_SLOW(where="body", seconds=SECONDS) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


async def let_go_by(headers: Mapping[str, str], receive: Receive) -> None:
    """Let the rest of a body that is refused go by: most clients read no answer before they have sent it all."""
    if "expect" not in headers:
        await discard(receive)
