"""The other side of webhooks: whoever is told something over HTTP."""

import asyncio
from typing import Final

import httpx

_CONNECT_SECONDS: Final = 5
_ATTEMPT_SECONDS: Final = 15


class Endpoints:
    """Connections to endpoints. Belongs to one event loop."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        timeout = httpx.Timeout(_ATTEMPT_SECONDS, connect=_CONNECT_SECONDS)
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=timeout, limits=limits)

    async def post(self, url: str, headers: dict[str, str], payload: str) -> tuple[int | None, str | None]:
        """Return the status of the answer, whose body nobody reads, or why there is none."""
        try:
            # One that answers a byte at a time must come to an end too.
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                async with self._client.stream("POST", url, content=payload.encode(), headers=headers) as answer:
                    status = answer.status_code
        except TimeoutError:
            return None, f"it has not answered within {_ATTEMPT_SECONDS} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return None, f"it cannot be reached: {type(error).__name__}"
        return status, None if 200 <= status < 300 else f"it has answered {status}"  # noqa: PLR2004 (success)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
