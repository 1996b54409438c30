"""Webhooks: what is said about a batch, where to, and when it is said again."""

import re
from base64 import b64encode
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from nameplate.domain.secrets import KEY_BYTES, mint_key

MOST_WEBHOOKS: Final = 20
"""Of one account."""

LONGEST_URL: Final = 2_000

_NOT_OF_URLS: Final = re.compile(r"[^!-~]")
_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
PAUSES: Final = (5 * _SECOND, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR)
"""How long to wait after each attempt that failed, in milliseconds; after the last, it is given up."""

KEPT_MS: Final = 30 * 24 * _HOUR
"""For how long what was said can be said again."""

GONE: Final = 410
"""The status by which an endpoint asks for no more."""


class DeliveryState(StrEnum):
    """How far the telling of one thing is."""

    WAITING = "waiting"
    """It is to be attempted, for the first time or again."""

    DELIVERED = "delivered"
    """The endpoint has taken it."""

    FAILED = "failed"
    """It was given up."""


def event_type(state: str) -> str:
    """Return the type of what is said when a batch comes to a state."""
    return f"batch.{state.lower()}"


def mint_secret() -> str:
    """Return a new secret, in the form of Standard Webhooks."""
    assert KEY_BYTES >= 24  # noqa: PLR2004 (the specification's least)
    return f"whsec_{b64encode(mint_key()).decode()}"


def problem_of(url: str) -> str | None:
    """Return why nothing can be sent to a URL, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it cannot be read"
    problems = {
        f"it has more than {LONGEST_URL} characters": len(url) > LONGEST_URL,
        "it has characters that a URL cannot have": _NOT_OF_URLS.search(url) is not None,
        "it begins with neither https:// nor http://": parts.scheme not in ("http", "https"),
        "it names no host": not parts.hostname or port == 0,
        "it holds a user name or a password, which would be written to logs": "@" in parts.netloc,
        "it has a fragment, which is never sent": bool(parts.fragment),
    }
    return next((problem for problem, is_so in problems.items() if is_so), None)


def next_pause(attempts: int) -> int | None:
    """Return how long to wait after so many attempts that failed, in milliseconds, or None to give up."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
