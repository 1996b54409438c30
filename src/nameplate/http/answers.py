"""The edge: whatever happens while a call is answered, its client gets an answer."""

import logging
from collections.abc import Awaitable, Callable

from starlette.types import Send

from nameplate.errors import INTERNAL_ERROR
from nameplate.http.bodies import ClientGoneError
from nameplate.http.messages import send_response
from nameplate.refusal import RefusedError
from nameplate.wire.render import Response

_log = logging.getLogger(__name__)


async def respond(answer: Awaitable[Response], refuse: Callable[[RefusedError], Response], send: Send) -> None:
    """Send an answer, or the refusal that it raises."""
    try:
        response = await answer
    except RefusedError as refused:
        # The rest of the body is not read, so the connection cannot be used again.
        response = refuse(refused)
        response.headers["connection"] = "close"
    except ClientGoneError:
        return
    except Exception:  # noqa: BLE001 (no call may end without an answer)
        _log.exception("A call could not be answered.")
        response = refuse(INTERNAL_ERROR())
    await send_response(response, send)
