"""What is told about each call, to the log and to the metrics: never its parameters, never a secret."""

import logging
import time
from dataclasses import dataclass, field
from typing import Final

from nameplate import logs, metrics
from nameplate.wire.operation import OPERATIONS
from nameplate.wire.render import Response

_FAILED: Final = 500
_UNKNOWN: Final = "unknown"


@dataclass(slots=True)
class Observation:
    """One call, from its arrival to its answer."""

    request_id: str
    action: str = ""
    access_key_id: str = "-"
    began: float = field(default_factory=time.perf_counter)

    def end(self, response: Response) -> Response:
        """Tell what came of the call, and return its answer."""
        seconds = time.perf_counter() - self.began
        # A caller could make up any number of others.
        action = self.action if self.action in OPERATIONS else _UNKNOWN
        metrics.CALLS.labels(action, response.code).inc()
        metrics.CALL_SECONDS.labels(action).observe(seconds)
        told = {
            "action": action,
            "code": response.code,
            "status": response.status,
            "ms": round(seconds * 1000, 2),
            "request_id": self.request_id,
            "access_key_id": self.access_key_id,
        }
        logs.lines.write(logging.ERROR if response.status >= _FAILED else logging.INFO, "call", told)
        return response
