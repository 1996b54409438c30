"""Keeps the leases of this process's workers, and says that it is at work."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from nameplate.call import Clock
from nameplate.refusal import RefusedError
from nameplate.store.database import ConflictError
from nameplate.store.parts import Claim
from nameplate.store.store import Store

BEAT_SECONDS: Final = 5.0
"""How often a process says that it works, at least."""

_log = logging.getLogger(__name__)


class Leases:
    """The claims that this process is working on, extended until each is done."""

    def __init__(self, store: Store, clock: Clock, seconds: float) -> None:
        self.milliseconds = int(seconds * 1000)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._store = store
        self._clock = clock
        self._every = min(seconds / 3, BEAT_SECONDS)
        self._lock = threading.Lock()
        self._held: dict[int, Sequence[Claim]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases")

    @contextmanager
    def held(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Extend claims for as long as they are worked on."""
        key = threading.get_ident()
        with self._lock:
            self._held[key] = claims
        try:
            yield
        finally:
            with self._lock:
                del self._held[key]

    def start(self) -> None:
        """Start to keep leases."""
        self._thread.start()

    def stop(self) -> None:
        """Keep them no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
            self._attempt(lambda: self._store.workers.leave(self.name))

    def _run(self) -> None:
        while True:
            self._attempt(self._keep)
            if self._stopped.wait(self._every):
                return

    def _keep(self) -> None:
        now = self._clock()
        with self._lock:
            claims = [claim for held in self._held.values() for claim in held]
        if claims:
            self._store.parts.extend(claims, now + self.milliseconds)
        self._store.workers.beat(self.name, now)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except RefusedError as refused:
            _log.warning("Leases could not be kept: %s", refused.reason)
        except ConflictError as error:
            _log.warning("Leases could not be kept: %s", error.__cause__)
        except Exception:  # noqa: BLE001 (the next attempt may do better)
            _log.exception("Leases could not be kept.")
