"""Which connections a device has, and when one identity seems to be in use twice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

CLIENT_ID_LENGTH: Final = 512
"""The most characters of a client id; what the vendor's SDKs send has some 150."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One live connection of a device.

    `address` is the device's; `peer` tells one connection of a client id from the next. Either may be empty: not every
    broker tells. `since` is in milliseconds since 1970 UTC.
    """

    client_id: str
    address: str
    peer: str
    since: int


class Connections:
    """The live connections of one device, as events come in.

    Brokers that tell of many things at once may tell of an end before they tell of its beginning.
    """

    def __init__(self, live: Iterable[Connection] = ()) -> None:
        self._live = {one.client_id: one for one in live}
        self._over: set[tuple[str, str]] = set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._live.values())

    def open(self, new: Connection) -> list[Connection]:
        """Add a connection and return those that live at other addresses: a clone's, unless the device has moved.

        A broker has one connection of a client id: the one before is over.
        """
        if (new.client_id, new.peer) in self._over:
            return []
        elsewhere = [one for one in self._live.values() if one.address and new.address not in ("", one.address)]
        self._live[new.client_id] = new
        return elsewhere

    def close(self, client_id: str, peer: str) -> None:
        """Remove a connection, unless it is a later one of the same client id."""
        known = self._live.get(client_id)
        if known is not None and ("" in (peer, known.peer) or peer == known.peer):
            del self._live[client_id]
        elif peer:
            self._over.add((client_id, peer))
