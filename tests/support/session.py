"""Many calls on one connection."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tests.support.signer import Answer, Client


@dataclass
class Session(Client):
    """A client that keeps its connection; for one thread."""

    @classmethod
    def of(cls, client: Client) -> Self:
        """Return one with the same access key."""
        return cls(client.port, client.key_id, client.secret, client.host, client.timeout, client.common)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def raw(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send anything at all."""
        self._connection.request(method, target, body, dict(headers or {}))
        response = self._connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
