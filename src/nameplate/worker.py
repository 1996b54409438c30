"""Takes batches through their states: claim parts, do their step in one transaction, move on.

There is nothing to recover after a crash. A killed worker's transaction has rolled back, its lease runs out, and the
part is claimed and done again.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Final
from uuid import uuid4

import orjson

from nameplate import metrics
from nameplate.call import Registry
from nameplate.domain.batch import HELD_BACK, TAKEN_NAME, RefusedRow, Step, refuse_rows
from nameplate.domain.device import first_id
from nameplate.domain.pace import Pace
from nameplate.domain.product import AuthType
from nameplate.imports.file_steps import FileSteps
from nameplate.leases import Leases
from nameplate.refusal import RefusedError
from nameplate.store.batches import part_owner
from nameplate.store.certificates import add_certificates
from nameplate.store.database import NewDevices, retried
from nameplate.store.devices import SECRET_OWNER
from nameplate.store.parts import Claim, LeaseLostError, Turns
from nameplate.store.tallies import count_in

# Where there was something to do just now there will be more; where there was nothing for long, a look is enough.
_SHORTEST_POLL_SECONDS: Final = 0.005
_LONGEST_POLL_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Worker:
    """One thread's work on batches."""

    def __init__(self, registry: Registry, leases: Leases, pace: Pace | None = None) -> None:
        """Work on a registry's batches; workers of one process share their leases and their pace."""
        self._registry = registry
        self._store = registry.store
        self._iot_ids = registry.iot_ids
        self._clock = registry.clock
        self._leases = leases
        self._turns = Turns()
        self._pace = pace or make_pace(registry)
        self._files = FileSteps(registry, self._pace)
        self._woken = threading.Event()
        self._stopped = threading.Event()

    def wake(self) -> None:
        """Say that there is something to do; a worker elsewhere finds out by polling."""
        self._woken.set()

    def stop(self) -> None:
        """Let the present parts be finished and take no other."""
        self._stopped.set()
        self._woken.set()

    def run(self) -> None:
        """Work until stopped.

        What goes wrong with one part is logged and tried again; it does not end the worker.
        """
        pause = _LONGEST_POLL_SECONDS
        while not self._stopped.is_set():
            try:
                worked = self.work()
            except RefusedError as refused:
                _log.warning("The database cannot be used: %s. Trying again in %s s.", refused.reason, _RETRY_SECONDS)
                self._stopped.wait(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 (a part that fails must not end the worker)
                _log.exception("A part could not be worked on; trying again in %s s.", _RETRY_SECONDS)
                self._stopped.wait(_RETRY_SECONDS)
            else:
                if worked:
                    pause = _SHORTEST_POLL_SECONDS
                    continue
                self._woken.wait(pause)
                self._woken.clear()
                pause = min(2 * pause, _LONGEST_POLL_SECONDS)

    def work(self) -> bool:
        """Do the step of one part, or of several that fit together; False if there was none waiting."""
        now = self._clock()
        flow = self._store.parts.next_flow(self._turns, now)
        if flow is None:
            return False
        owner = f"{self._leases.name}:{uuid4().hex}"
        until, most = now + self._leases.milliseconds, self._pace.parts(now)
        claims = self._store.parts.claim(owner, flow, now, until, most)
        if claims:
            self._pace.met(sum(claim.rows for claim in claims), now)
        with self._leases.held(claims):
            # In order: a name that one part creates is taken for the check of the next.
            for step, together in groupby(claims, key=attrgetter("step")):
                for group in _groups(list(together)):
                    self._do(step, group)
        # Another worker may have been faster; then there may be more for this one too.
        return True

    def _do(self, step: Step, claims: Sequence[Claim]) -> None:
        began = time.perf_counter()
        try:
            retried(lambda: self._perform(step, claims))
        except LeaseLostError as lost:
            metrics.CLAIMS_LOST.inc()
            _log.warning("Batch %d was taken over by another worker; nothing was changed here.", lost.batch_id)
            for claim in claims if len(claims) > 1 else ():
                self._do(step, [claim])
            return
        metrics.PART_SECONDS.labels(step.value).observe(time.perf_counter() - began)

    def _perform(self, step: Step, claims: Sequence[Claim]) -> None:
        if claims[0].is_of_file:
            self._files.perform(step, claims)
        elif step is Step.CHECK:
            self._check(claims)
        elif _is_certified(claims[0]):
            self._certify(claims[0])
        else:
            self._create(claims)

    def _check(self, claims: Sequence[Claim]) -> None:
        # Read outside of the transaction, beside another worker's writes: creating looks at the names again anyway.
        refused = self._refused(claims)
        # Durable: who has been shown CHECK_SUCCESS registers, and must not be told that the check still runs.
        with self._store.database.transaction() as connection:
            for claim, rows in zip(claims, refused, strict=True):
                self._store.parts.finish(connection, claim, rows, self._clock())

    def _refused(self, claims: Sequence[Claim]) -> list[list[RefusedRow]]:
        """Return the rows of each claim that are refused. All are of one product."""
        named = [orjson.loads(claim.names or "[]") for claim in claims]
        refused = [
            {row.ordinal: row for row in refuse_rows(names, claim.nicknames and orjson.loads(claim.nicknames))}
            for claim, names in zip(claims, named, strict=True)
        ]
        sought = [
            [name for ordinal, name in enumerate(names) if ordinal not in ill] if ill else names
            for names, ill in zip(named, refused, strict=True)
        ]
        taken = self._store.database.bulk.taken(claims[0].product_id, *filter(None, sought))
        if taken:
            for names, rows in zip(named, refused, strict=True):
                for ordinal, name in enumerate(names):
                    if name in taken:
                        rows.setdefault(ordinal, RefusedRow(ordinal, TAKEN_NAME))
        return [[rows[ordinal] for ordinal in sorted(rows)] for rows in refused]

    def _create(self, claims: Sequence[Claim]) -> None:
        named = [self._name(claim) for claim in claims]
        parts = [self._new_devices(claim) for claim in named]
        with self._store.database.transaction() as connection:
            # Not from before: one who waits for another's transaction is not slow.
            began = time.perf_counter()
            now = self._clock()
            taken = self._store.database.bulk.create_devices(connection, parts, now)
            for claim, ordinals in zip(named, taken, strict=True):
                refused = [RefusedRow(ordinal, TAKEN_NAME) for ordinal in ordinals]
                self._store.parts.finish(connection, claim, refused, now)
            rows = sum(part.rows for part in parts)
            created = rows - sum(map(len, taken))
            count_in(connection, claims[0].product_id, created)
        self._pace.took(rows, time.perf_counter() - began)
        metrics.DEVICES_CREATED.inc(created)

    def _certify(self, claim: Claim) -> None:
        """Create the devices of a part with a certificate each, or none of them."""
        claim, product = self._name(claim), self._store.products.get(claim.product_id)
        part, now = self._new_devices(claim), self._clock()
        certificates = self._registry.mint_certificates(product.key, part.numbers, orjson.loads(part.names))
        with self._store.database.transaction() as connection:
            with connection.begin_nested() as savepoint:
                (taken,) = self._store.database.bulk.create_devices(connection, [part], now)
                if taken:
                    savepoint.rollback()
                else:
                    add_certificates(connection, certificates)
            refused = dict.fromkeys(range(part.rows), HELD_BACK) if taken else {}
            refused |= dict.fromkeys(taken, TAKEN_NAME)
            rows = [RefusedRow(ordinal, reason) for ordinal, reason in refused.items()]
            self._store.parts.finish(connection, claim, rows, now)
            created = 0 if taken else part.rows
            count_in(connection, claim.product_id, created)
        metrics.DEVICES_CREATED.inc(created)

    def _name(self, claim: Claim) -> Claim:
        """Mint the names of a part that was sent without."""
        if claim.names is not None:
            return claim
        first = first_id(claim.batch_id) + claim.first
        minted = [self._iot_ids.device_id(number) for number in range(first, first + claim.rows)]
        return replace(claim, names=orjson.dumps(minted).decode())

    def _new_devices(self, claim: Claim) -> NewDevices:
        assert claim.names is not None
        first = first_id(claim.batch_id) + claim.first
        secrets = None if claim.secrets is None else self._seal_each(claim.secrets, claim, first)
        return NewDevices(first, claim.product_id, claim.rows, claim.names, claim.nicknames, claim.sns, secrets)

    def _seal_each(self, sealed: bytes, claim: Claim, first: int) -> list[bytes | None]:
        """Seal the imported secrets of a part one by one, each for its device."""
        master = self._registry.master
        secrets = orjson.loads(master.open(sealed, part_owner(claim.batch_id, claim.first)))
        return master.seal_each(secrets, SECRET_OWNER, first)


def make_pace(registry: Registry) -> Pace:
    """Return how many parts are created at once on this database, for the workers of one process."""
    bulk = registry.store.database.bulk
    return Pace(bulk.most_parts, bulk.brief_seconds)


def _is_certified(claim: Claim) -> bool:
    return claim.auth_type == AuthType.X509 and claim.secrets is None


def _groups(claims: list[Claim]) -> list[list[Claim]]:
    """Return the claims that are done in one transaction.

    One whose devices are created all or none is by itself, and a file's are with others of that file.
    """
    if any(map(_is_certified, claims)):
        return [[claim] for claim in claims]
    return [list(group) for _, group in groupby(claims, key=lambda claim: claim.is_of_file and claim.batch_id)]


class Workers:
    """Workers of this process, a thread each, and a thread that keeps their leases."""

    def __init__(self, workers: list[Worker], leases: Leases) -> None:
        self._workers = workers
        self._leases = leases
        self._threads = [threading.Thread(target=worker.run, name="worker") for worker in workers]

    def start(self) -> None:
        """Start to work."""
        if self._threads:
            self._leases.start()
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
        self._leases.stop()
