"""What a route's function may return besides a plain value: more headers, a download, a feed of events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Reply(Generic[_Value]):
    """A value with headers, or with another status than the route's."""

    value: _Value
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is made while it is sent.

    `pieces` is a generator: it is closed when the client goes away. `delivered` is called when everything has been
    handed over, and before the client can know that it was.
    """

    pieces: Iterator[bytes]
    media_type: str
    file_name: str
    headers: dict[str, str] = field(default_factory=dict)
    delivered: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch as it was when last looked at."""

    progress: Any
    has_ended: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """The events of a batch, until it ends.

    `look` reads how far it is; it is called in a thread, for the first who listens on behalf of all.
    """

    batch_id: int
    look: Callable[[], Seen]


def render(value: Any) -> bytes:  # noqa: ANN401 (whatever a route gives)
    """Write a value as JSON; nothing for None."""
    return b"" if value is None else orjson.dumps(value, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError
