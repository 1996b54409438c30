"""What a server says is wrong, as a command shows it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from nameplate.cli.ending import CommandError

_MEMBERS: Final = ("title", "detail", "fix", "where", "code", "request_id")
_LONGEST: Final = 1_000


class ProblemError(CommandError):
    """The server's own account of what is wrong (RFC 9457): what, where, what to do, and its request id."""

    def __init__(self, status: int, members: Mapping[str, Any], retry_after: float = 0.0) -> None:
        super().__init__(_write(status, members))
        self.status = status
        self.members = members
        self.retry_after = retry_after

    @property
    def name(self) -> str:
        """Its code."""
        return str(self.members.get("code", ""))


def read_problem(status: int, body: bytes, retry_after: float = 0.0) -> ProblemError:
    """Read a refusal, whoever wrote it: a proxy on the way has pages of its own."""
    try:
        members = json.loads(body)
    except ValueError:
        members = None
    if not isinstance(members, dict) or "title" not in members:
        members = {"title": f"The server, or a proxy before it, answered {status} without a reason"}
    return ProblemError(status, members, retry_after)


def _write(status: int, members: Mapping[str, Any]) -> str:
    title, detail, fix, where, code, request_id = (str(members.get(name) or "")[:_LONGEST] for name in _MEMBERS)
    what = _sentence(detail) if detail.startswith(title) else f"{_sentence(title)} {_sentence(detail)}"
    place = f"Where: {where}." if where else ""
    source = ", ".join(part for part in (code, f"HTTP {status}", f"request {request_id}" if request_id else "") if part)
    return " ".join(part for part in (what.strip(), place, fix, f"({source})") if part)


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
