"""One HTTP request as the wire sees it, before anything is believed about it."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Request:
    """What arrived: raw bytes, and header names in lower case."""

    method: str
    query: bytes
    headers: dict[str, str]
    body: bytes

    @cached_property
    def is_acs3(self) -> bool:
        """Whether the request carries its signature in headers (ACS3) instead of in parameters (v1)."""
        return self.headers.get("authorization", "").startswith("ACS3-") or (
            "x-acs-action" in self.headers and "x-acs-signature-nonce" in self.headers
        )

    @property
    def size(self) -> int:
        """How many bytes its parameters take, in the query and in the body."""
        return len(self.query) + len(self.body)

    @property
    def host(self) -> str:
        """The host the caller named, port included."""
        return self.headers.get("host", "")
