"""What a hook answers, and what came of it."""

from typing import Any, NamedTuple

import orjson

from nameplate.brokers.check import Verdict
from nameplate.domain.device_auth import Identity


class Answer(NamedTuple):
    """A body for the broker, and for the log what came of it and whose it was."""

    body: bytes
    content_type: str
    outcome: str
    identity: Identity | None = None
    status: int = 200


def as_json(verdict: Verdict, value: Any, status: int = 200) -> Answer:  # noqa: ANN401 (what JSON can write)
    """Answer a verdict with JSON."""
    return Answer(orjson.dumps(value), "application/json", verdict.reason.value, _whose(verdict), status)


def as_json_text(verdict: Verdict, text: bytes) -> Answer:
    """Answer a verdict with JSON that is written already."""
    return Answer(text, "application/json", verdict.reason.value, _whose(verdict))


def as_text(verdict: Verdict, text: str, status: int = 200) -> Answer:
    """Answer a verdict with plain text."""
    return Answer(text.encode(), "text/plain; charset=utf-8", verdict.reason.value, _whose(verdict), status)


def _whose(verdict: Verdict) -> Identity | None:
    return None if verdict.device is None else verdict.device.identity
