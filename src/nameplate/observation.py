"""What is told about each call, to the log and to the metrics: never its parameters, never a secret."""

import logging
import time
from dataclasses import dataclass, field
from os import urandom
from typing import Final

from nameplate import logs, metrics
from nameplate.wire.operation import OPERATIONS
from nameplate.wire.render import Response

_FAILED: Final = 500
_UNKNOWN: Final = "unknown"


def mint_request_id() -> str:
    """Return a new RequestId."""
    # A UUID object costs ten times as much.
    digits = urandom(16).hex().upper()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_ended_at = float("-inf")


def seconds_since_call() -> float:
    """Return how long ago the last signed call was answered in this process: what else runs gives way to calls."""
    return time.perf_counter() - _ended_at


@dataclass(slots=True)
class Observation:
    """One call, from its arrival to its answer."""

    request_id: str = field(default_factory=mint_request_id)
    action: str = ""
    access_key_id: str = "-"
    began: float = field(default_factory=time.perf_counter)

    def end(self, response: Response) -> Response:
        """Tell what came of a signed call, and return its answer."""
        global _ended_at  # noqa: PLW0603 (as global as the metrics)
        _ended_at = time.perf_counter()
        # A caller could make up any number of others.
        action = self.action if self.action in OPERATIONS else _UNKNOWN
        self.tell(action, response.code, response.status)
        return response

    def tell(self, action: str, code: str, status: int) -> None:
        """Tell what came of a call."""
        seconds = time.perf_counter() - self.began
        metrics.CALLS.labels(action, code).inc()
        metrics.CALL_SECONDS.labels(action).observe(seconds)
        told = {
            "action": action,
            "code": code,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": self.request_id,
            "access_key_id": self.access_key_id,
        }
        logs.lines.write(logging.ERROR if status >= _FAILED else logging.INFO, "call", told)
