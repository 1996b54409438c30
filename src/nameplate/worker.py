"""Takes batches through their states: claim a part, do its step in one transaction, move on.

There is nothing to recover after a crash. A killed worker's transaction has rolled back, its lease runs out, and the
part is claimed and done again.
"""

import logging
import os
import socket
import threading
from dataclasses import replace
from typing import Final
from uuid import uuid4

import orjson

from nameplate.call import Clock
from nameplate.domain.batch import TAKEN_NAME, RefusedRow, Step, refuse_rows
from nameplate.domain.device import IotIds, first_id
from nameplate.store import bulk
from nameplate.store.batches import Claim, LeaseLostError
from nameplate.store.store import Store

_POLL_SECONDS: Final = 0.2
_RETRY_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Worker:
    """One thread's work on batches."""

    def __init__(self, store: Store, iot_ids: IotIds, clock: Clock, lease_seconds: float) -> None:
        self._store = store
        self._iot_ids = iot_ids
        self._clock = clock
        self._lease = int(lease_seconds * 1000)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._woken = threading.Event()
        self._stopped = threading.Event()

    def wake(self) -> None:
        """Say that there is something to do; a worker elsewhere finds out by polling."""
        self._woken.set()

    def stop(self) -> None:
        """Let the present part be finished and take no other."""
        self._stopped.set()
        self._woken.set()

    def run(self) -> None:
        """Work until stopped.

        What goes wrong with one part is logged and tried again; it does not end the worker.
        """
        while not self._stopped.is_set():
            try:
                worked = self.work()
            except Exception:  # noqa: BLE001 (a part that fails must not end the worker)
                _log.exception("A part could not be worked on; trying again in %s s.", _RETRY_SECONDS)
                self._stopped.wait(_RETRY_SECONDS)
            else:
                if not worked:
                    self._woken.wait(_POLL_SECONDS)
                    self._woken.clear()

    def work(self) -> bool:
        """Do one part's step; False if there was none waiting."""
        now = self._clock()
        claim = self._store.batches.claim(f"{self._name}:{uuid4().hex}", now, now + self._lease)
        if claim is None:
            return False
        try:
            self._check(claim) if claim.step is Step.CHECK else self._create(claim)
        except LeaseLostError:
            _log.warning(
                "Batch %d was taken over by another worker; nothing was changed here.",
                claim.batch_id,
            )
        return True

    def _check(self, claim: Claim) -> None:
        assert claim.names is not None
        names = orjson.loads(claim.names)
        nicknames = None if claim.nicknames is None else orjson.loads(claim.nicknames)
        refused = {row.ordinal: row for row in refuse_rows(names, nicknames)}
        # Read outside of the transaction, beside another worker's writes: creating looks at the names again anyway.
        taken = bulk.taken(self._store.database, claim.product_id, names)
        if taken:
            for ordinal, name in enumerate(names):
                if name in taken:
                    refused.setdefault(ordinal, RefusedRow(ordinal, TAKEN_NAME))
        with self._store.database.transaction() as connection:
            self._store.batches.finish(connection, claim, [refused[ordinal] for ordinal in sorted(refused)])

    def _create(self, claim: Claim) -> None:
        first = first_id(claim.batch_id) + claim.first
        names = claim.names or self._mint(first, claim.rows)
        claim = replace(claim, names=names)
        with self._store.database.transaction() as connection:
            taken = bulk.create_devices(connection, first, claim.product_id, names, claim.rows, self._clock())
            if claim.nicknames is not None:
                bulk.set_nicknames(connection, first, orjson.loads(claim.nicknames))
            self._store.batches.finish(connection, claim, [RefusedRow(ordinal, TAKEN_NAME) for ordinal in taken])

    def _mint(self, first: int, rows: int) -> str:
        return orjson.dumps([self._iot_ids.device_id(number) for number in range(first, first + rows)]).decode()


class Workers:
    """Workers of this process, a thread each."""

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers
        self._threads = [threading.Thread(target=worker.run, name="worker") for worker in workers]

    def start(self) -> None:
        """Start to work."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        for worker in self._workers:
            worker.wake()

    def stop(self) -> None:
        """Let the present parts be finished, and return when they are."""
        for worker in self._workers:
            worker.stop()
        for thread in self._threads:
            thread.join()
