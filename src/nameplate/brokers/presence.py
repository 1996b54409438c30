"""Which devices are connected: events are queued, and a thread writes all that wait in one transaction.

Nobody waits for it: a check that had to would wait for whatever is being written, and brokers give up after seconds.
Events of the last moment are lost if the process is killed; the device's next one sets it right.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Final

from nameplate import logs, metrics
from nameplate.errors import SERVICE_UNAVAILABLE
from nameplate.refusal import RefusedError
from nameplate.store.applicants import Applicant
from nameplate.store.connections import Clone, ConnectionTable, Event, Kind
from nameplate.store.database import ConflictError, retried

_MOST_WAITING: Final = 200_000
_AT_ONCE: Final = 2_000
_PAUSE_SECONDS: Final = 0.01
_FEW: Final = 8
_MOST_PAUSES: Final = 50
"""Events gather for a pause, and on while more than a few come in each: as many as can share a commit.

What writes them shares a core with the checks, and in a storm it is the checks that devices wait for.
"""

_RETRY_SECONDS: Final = 1.0
_SETTLE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class Presence:
    """The events of one process, on their way into the database."""

    def __init__(self, table: ConnectionTable) -> None:
        self._table = table
        self._waiting: list[Event] = []
        self._coming: Counter[int] = Counter()
        self._put = 0
        self._written = 0
        self._condition = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Leave an event to be written. Raises SERVICE_UNAVAILABLE if too many wait."""
        with self._condition:
            if len(self._waiting) >= _MOST_WAITING:
                raise SERVICE_UNAVAILABLE()
            self._waiting.append(event)
            self._put += 1
            self._coming.update(_come([event]))
            self._condition.notify_all()

    def is_coming(self, device_id: int) -> bool:
        """Whether a device has come by an event that waits: in the database it may look as if it never had."""
        with self._condition:
            return device_id in self._coming

    def holders(self, client_id: str) -> list[Applicant]:
        """Return the devices that have connected with this client id by events that wait."""
        with self._condition:
            waiting = [event for event in self._waiting if event.connection.client_id == client_id]
        return [event.device for event in waiting if event.kind is Kind.CONNECTED]

    def settle(self) -> None:
        """Wait until all that has been put so far is written. Raises SERVICE_UNAVAILABLE if that takes long."""
        with self._condition:
            due = self._put
            if not self._condition.wait_for(lambda: self._written >= due, _SETTLE_SECONDS):
                raise SERVICE_UNAVAILABLE()

    def forget_others(self, node: str, life: str, now: int) -> None:
        """Take connections whose peers begin with `node`, but not with `life`, for ended, after what has been put."""
        self.settle()
        retried(lambda: self._table.forget_others(node, life, now))

    def stop(self) -> None:
        """Write what waits, and stop."""
        self._closing.set()
        with self._condition:
            self._condition.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closing.is_set())
                if not self._waiting:
                    return
            self._gather()
            if not self._write_some() and self._closing.wait(_RETRY_SECONDS):
                return

    def _gather(self) -> None:
        for _ in range(_MOST_PAUSES):
            before = len(self._waiting)
            if self._closing.wait(_PAUSE_SECONDS) or len(self._waiting) - before <= _FEW:
                return

    def _write_some(self) -> bool:
        with self._condition:
            some = list(islice(self._waiting, _AT_ONCE))
        try:
            clones = retried(lambda: self._table.record(some))
        except (RefusedError, ConflictError) as error:
            _log.warning("The events of %d devices have to wait: %s", len(some), error)
            return False
        except Exception:  # noqa: BLE001 (the edge: the thread must go on)
            _log.exception("The events of %d devices could not be written.", len(some))
            clones = []
        with self._condition:
            del self._waiting[: len(some)]
            self._written += len(some)
            self._coming -= Counter(_come(some))
            self._condition.notify_all()
        _tell(clones)
        return True


def _come(events: Sequence[Event]) -> list[int]:
    """Return the ids of devices that come by these events."""
    return [event.device.id for event in events if event.kind is not Kind.DISCONNECTED]


def _tell(clones: Sequence[Clone]) -> None:
    """Raise the alarm for each identity that is in use twice."""
    for clone in clones:
        metrics.CLONES.inc()
        told = {
            "product_key": clone.device.product_key,
            "device_name": clone.device.name,
            "address": clone.connection.address,
            "other_address": clone.other.address,
            "other_since": clone.other.since,
        }
        logs.lines.write(logging.WARNING, "clone", told)
