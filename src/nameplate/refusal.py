"""What a refusal is: an error that the caller gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BUSINESS = 200


class RefusedError(Exception):
    """A refusal on its way to the caller.

    Anyone may raise one; only the edge catches it.
    """

    def __init__(self, code: str, message: str, status: int, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    @property
    def reason(self) -> str:
        """What the system beneath said, on one line, for the log; empty if nothing beneath failed."""
        cause = self.__cause__
        return "" if cause is None else " ".join(str(getattr(cause, "orig", cause)).split())

    @property
    def is_business(self) -> bool:
        """Whether the answer is an operation's own (HTTP 200) and not the gateway's."""
        return self.status == BUSINESS


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry of the catalogue.

    Calling it makes the exception to raise; `{name}`s are filled from the details.
    """

    code: str
    message: str
    status: int = BUSINESS

    def __call__(self, *, data: Mapping[str, Any] | None = None, **details: object) -> RefusedError:
        """Fill the texts in.

        `data` is sent as the `Data` element beside a business refusal.
        """
        return RefusedError(self.code.format(**details), self.message.format(**details), self.status, data)
