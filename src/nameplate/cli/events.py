"""Server-sent events: what a batch is doing, as it happens."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from nameplate.cli.remote import LostError, Remote

MOVING: Final = ("uploading", "reading", "checking", "creating", "undoing")
"""The stages in which a batch goes on by itself."""

_ENDED: Final = "The server has ended the feed of events."


def follow(remote: Remote, batch_id: int, before: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield how far a batch is whenever that has changed, until nothing will without another command.

    `before` is when the batch had moved last before it was told to do something: a feed that others listen to may begin
    with how it was then. A feed that breaks off, because the server was restarted for instance, is asked for again.
    """
    while True:
        with remote.trying(), remote.opened("GET", f"/v1/batches/{batch_id}/events") as response:
            for progress in read_events(response.iter_lines()):
                if progress["moved_at"] == before:
                    continue
                yield progress
                if progress["stage"] not in MOVING:
                    return
            raise LostError(_ENDED)


def read_events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the data of each event (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6)."""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []
