"""What the tests ask of an SDK."""

from abc import ABC, abstractmethod
from typing import Any

from tests.support.server import Server

Body = dict[str, Any]

TIMEOUT_SECONDS = 60
"""The machines that tests run on are shared; some defaults are 3 seconds."""


class Sdk(ABC):
    """An official SDK's client. Only endpoint, protocol and a patient timeout are set; the rest is its default."""

    lacks: frozenset[str] = frozenset()
    """The fields of a batch that its models have no attributes for."""

    def __init__(self, server: Server) -> None:
        self.endpoint = f"127.0.0.1:{server.port}"

    @abstractmethod
    def answer(self, action: str, **parameters: object) -> Body:
        """Return an operation's own answer, a refusal too, from where the SDK's users find it."""

    def call(self, action: str, **parameters: object) -> Body:
        """Return the answer of an operation that has to succeed."""
        body = self.answer(action, **parameters)
        assert body["Success"], body
        return body

    @abstractmethod
    def close(self) -> None:
        """Let its connections go."""


class ModelSdk(Sdk):
    """An SDK that reads answers into models; what a model has no attribute for is lost."""

    name: str
    raw: Body
    """The last answer as it came, before it was read into a model."""
