"""The steps of batches that come from files: compare every row with what exists, create, undo."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection

from nameplate import metrics
from nameplate.call import Registry
from nameplate.domain.batch import Step
from nameplate.domain.device import first_id
from nameplate.domain.file_batch import FAILED, Outcome, Policy
from nameplate.domain.pace import Pace
from nameplate.domain.product import AuthType
from nameplate.imports.file_rows import Comparison, FileRows, Tags
from nameplate.store.certificates import StoredCertificate, add_certificates
from nameplate.store.database import Existing, NewDevices
from nameplate.store.devices import secret_owner
from nameplate.store.file_batches import FileBatch
from nameplate.store.file_parts import Done, finish_file_part, outcomes_of
from nameplate.store.file_rows import Content, add_tags, delete_between, read_tags, replace_tags, update_devices
from nameplate.store.parts import Claim, LeaseLostError
from nameplate.store.tallies import count_in


class _TakenError(Exception):
    """A name is taken, and all or nothing was to be created."""


@dataclass(slots=True)
class _Work:
    """What is to be done to one part: rows whose devices are created, and ones whose devices exist and are updated."""

    claim: Claim
    rows: FileRows
    chosen: Sequence[int]
    devices: NewDevices | None
    certificates: Sequence[StoredCertificate] = ()
    updates: Mapping[int, Existing] = field(default_factory=dict)


class FileSteps:
    """Does the steps of parts that come from files."""

    def __init__(self, registry: Registry, pace: Pace) -> None:
        self._registry = registry
        self._store = registry.store
        self._pace = pace

    def perform(self, step: Step, claims: Sequence[Claim]) -> None:
        """Do the step of parts of one batch. Raises LeaseLostError."""
        if step is Step.CHECK:
            self._check(claims)
        elif step is Step.UNDO:
            for claim in claims:
                self._undo(claim)
        else:
            self._create(claims)

    def _check(self, claims: Sequence[Claim]) -> None:
        # Read outside of the transaction, beside another worker's writes: creating looks at the names again anyway.
        done = [self._checked(claim) for claim in claims]
        with self._store.database.transaction() as connection:
            for claim, found in zip(claims, done, strict=True):
                self._finish(connection, claim, found, None)

    def _checked(self, claim: Claim) -> Done:
        rows, outcomes = self._rows(claim), bytearray(outcomes_of(claim))
        if claim.outcomes is None and self._are_free(claim, rows):
            return Done(bytes(outcomes))
        open_rows = [row for row, outcome in enumerate(outcomes) if outcome == Outcome.CREATE or outcome in FAILED]
        settled = {rows.lines[row] for row in open_rows if outcomes[row] in FAILED}
        existing = self._store.database.bulk.existing(claim.product_id, [rows.names[row] for row in open_rows])
        comparison = Comparison(rows, self._store.products.get(claim.product_id), self._registry.master)
        tags = self._tags(rows, existing)
        differing = {}
        for row in open_rows:
            device = existing.get(rows.names[row])
            if device is None:
                outcomes[row] = Outcome.CREATE
                continue
            differing[row] = comparison.differences(row, device, tags.get(device.id))
            outcomes[row] = Outcome.CONFLICT if differing[row] else Outcome.UNCHANGED
        findings = [
            rows.finding(row, place, difference)
            for row, differences in differing.items()
            for place, difference in enumerate(differences)
        ]
        return Done(bytes(outcomes), findings, settled)

    def _are_free(self, claim: Claim, rows: FileRows) -> bool:
        return not self._store.database.bulk.taken(claim.product_id, rows.names)

    def _rows(self, claim: Claim) -> FileRows:
        return FileRows(claim, self._store.parts.sealed)

    def _tags(self, rows: FileRows, existing: Mapping[str, Existing]) -> Mapping[int, Tags]:
        if rows.tags is None or not existing:
            return {}
        return read_tags(self._store.database, [device.id for device in existing.values()])

    def _create(self, claims: Sequence[Claim]) -> None:
        batch = self._store.file_batches.find(claims[0].batch_id)
        if batch is None or batch.policy is None:
            # It was opened again since: so this claim is one that was lost.
            raise LeaseLostError(claims[0].batch_id)
        works = [self._work(claim, is_replacing=batch.replaces) for claim in claims]
        try:
            self._create_all(batch, works)
        except _TakenError:
            self._store.file_batches.undo(batch.id, self._registry.clock())

    def _create_all(self, batch: FileBatch, works: Sequence[_Work]) -> None:
        made = [work for work in works if work.devices is not None]
        created, now = 0, self._registry.clock()
        with self._store.database.transaction() as connection:
            # Not from before: one who waits for another's transaction is not slow.
            began = time.perf_counter()
            parts = [work.devices for work in made if work.devices is not None]
            refused = self._store.database.bulk.create_devices(connection, parts, now) if parts else []
            if batch.policy is Policy.ALL_OR_NOTHING and any(refused):
                raise _TakenError
            taken = {id(work): {work.chosen[one] for one in ones} for work, ones in zip(made, refused, strict=True)}
            for work in works:
                done = self._apply(connection, batch, work, taken.get(id(work), set()))
                created += done.created
                self._finish(connection, work.claim, done, batch.policy)
            count_in(connection, batch.product_id, created)
        self._pace.took(sum(work.claim.rows for work in works), time.perf_counter() - began)
        metrics.DEVICES_CREATED.inc(created)

    def _apply(self, connection: Connection, batch: FileBatch, work: _Work, taken: set[int]) -> Done:
        rows, before = work.rows, outcomes_of(work.claim)
        add_certificates(connection, work.certificates)
        if rows.tags is not None:
            created = {rows.id_of(row): rows.tags[row] or {} for row in work.chosen if row not in taken}
            add_tags(connection, batch.account_id, created)
            labels = {device.id: rows.tags[row] or {} for row, device in work.updates.items()}
            replace_tags(connection, batch.account_id, {number: some for number, some in labels.items() if some})
        contents = [self._content(batch, rows, row, device) for row, device in work.updates.items()]
        update_devices(connection, contents, self._registry.clock())
        if not taken and len(work.chosen) == work.claim.rows and work.claim.outcomes is None:
            return Done(bytes([Outcome.CREATED]) * work.claim.rows, created=work.claim.rows)
        outcomes = bytearray(before)
        for row in work.chosen:
            outcomes[row] = Outcome.TAKEN if row in taken else Outcome.CREATED
        for row in work.updates:
            outcomes[row] = Outcome.UPDATED
        # A row that was in conflict is not, if its device is gone and it was created.
        settled = {rows.lines[row] for row in (*work.updates, *work.chosen) if before[row] in FAILED}
        findings = [rows.taken(row) for row in sorted(taken)]
        return Done(bytes(outcomes), findings, settled, len(work.chosen) - len(taken))

    def _content(self, batch: FileBatch, rows: FileRows, row: int, device: Existing) -> Content:
        secret, sealed = rows.secret(row, self._registry.master), None
        if secret is not None:
            sealed = self._registry.master.seal(secret.encode(), secret_owner(device.id))
        nickname = None if rows.nicknames is None else rows.nicknames[row]
        sn = None if rows.sns is None else rows.sns[row]
        return Content(batch.product_id, device.name, device.id, nickname, sn, sealed)

    def _work(self, claim: Claim, *, is_replacing: bool) -> _Work:
        rows, outcomes = self._rows(claim), outcomes_of(claim)
        conflicts = [row for row, was in enumerate(outcomes) if was == Outcome.CONFLICT] if is_replacing else []
        updates: dict[int, Existing] = {}
        if conflicts:
            existing = self._store.database.bulk.existing(claim.product_id, [rows.names[row] for row in conflicts])
            updates = {row: existing[rows.names[row]] for row in conflicts if rows.names[row] in existing}
        gone = set(conflicts).difference(updates)
        chosen: Sequence[int] = range(claim.rows)
        if claim.outcomes is not None:
            chosen = [row for row, outcome in enumerate(outcomes) if outcome == Outcome.CREATE or row in gone]
        devices = _new_devices(claim, rows, chosen) if chosen else None
        return _Work(claim, rows, chosen, devices, self._mint(claim, devices), updates)

    def _mint(self, claim: Claim, devices: NewDevices | None) -> Sequence[StoredCertificate]:
        if claim.auth_type != AuthType.X509 or claim.has_sealed or devices is None:
            return ()
        product = self._store.products.get(claim.product_id)
        return self._registry.mint_certificates(product.key, devices.numbers, orjson.loads(devices.names))

    def _undo(self, claim: Claim) -> None:
        rows, outcomes = self._rows(claim), bytearray(outcomes_of(claim))
        first = first_id(claim.batch_id) + claim.first
        chosen = [row for row, was in enumerate(outcomes) if was in (Outcome.CREATE, Outcome.CREATED, Outcome.TAKEN)]
        existing = self._store.database.bulk.existing(claim.product_id, [rows.names[row] for row in chosen])
        settled = {rows.lines[row] for row in chosen if outcomes[row] == Outcome.TAKEN}
        others = {name for name, device in existing.items() if not first <= device.id < first + claim.rows}
        for row in chosen:
            outcomes[row] = Outcome.TAKEN if rows.names[row] in others else Outcome.CREATE
        findings = [rows.taken(row) for row in chosen if outcomes[row] == Outcome.TAKEN]
        with self._store.database.transaction() as connection:
            deleted = delete_between(connection, first, first + claim.rows - 1)
            self._finish(connection, claim, Done(bytes(outcomes), findings, settled, -deleted), Policy.ALL_OR_NOTHING)
            count_in(connection, claim.product_id, -deleted)

    def _finish(self, connection: Connection, claim: Claim, done: Done, policy: Policy | None) -> None:
        most = self._registry.limits.devices
        finish_file_part(connection, claim, done, policy, self._registry.clock(), most)


def _new_devices(claim: Claim, rows: FileRows, chosen: Sequence[int]) -> NewDevices:
    first = first_id(claim.batch_id) + claim.first
    assert claim.names is not None
    if len(chosen) == claim.rows:
        return NewDevices(first, claim.product_id, claim.rows, claim.names, claim.nicknames, claim.sns, rows.sealed)
    secrets = None if rows.sealed is None else [rows.sealed[row] for row in chosen]
    return NewDevices(
        first,
        claim.product_id,
        len(chosen),
        _chosen(rows.names, chosen) or "[]",
        _chosen(rows.nicknames, chosen),
        _chosen(rows.sns, chosen),
        secrets,
        [first + row for row in chosen],
    )


def _chosen(texts: Sequence[str | None] | None, chosen: Sequence[int]) -> str | None:
    return None if texts is None else orjson.dumps([texts[row] for row in chosen]).decode()
