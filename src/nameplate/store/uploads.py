"""Uploads: files on their way in, and the readers that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from nameplate.domain.batch import Origin, State
from nameplate.domain.file_batch import CLAIMABLE, Application, Policy, UploadKind, UploadState
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.database import Database
from nameplate.store.file_batches import reopen
from nameplate.store.file_parts import COUNTS, end_check
from nameplate.store.schema import batch, part, part_names, product, upload

_OWN: Final = ("batch_id", "number", "kind", "name", "size", "received", "layout", "key", "host", "state", "problem")
_MORE: Final = ("rows_read", "pieces", "first", "started_at", "created_at")
_THIS: Final = and_(upload.c.batch_id == bindparam("of_batch"), upload.c.number == bindparam("at"))
_RECEIVING: Final = and_(_THIS, upload.c.state == UploadState.RECEIVING)
_ADVANCE: Final = upload.update().where(_RECEIVING)
_CLAIM: Final = upload.update().where(_THIS, upload.c.state.in_(CLAIMABLE), upload.c.leased_until <= bindparam("now"))
_HELD: Final = upload.update().where(_THIS, upload.c.owner == bindparam("by"))
_READ_ENDED: Final = (
    batch.update()
    .where(batch.c.id == bindparam("of_batch"), batch.c.state == State.CHECK)
    .values(is_reading=0)
    .returning(batch.c.policy, batch.c.replaces, batch.c.product_id, *COUNTS)
)
_NEXT: Final = select(func.coalesce(func.max(part.c.first + part.c.rows), 0)).where(
    part.c.batch_id == bindparam("of_batch")
)
_KEPT_NAMES: Final = (
    select(part_names.c.first)
    .where(part_names.c.batch_id == bindparam("of_batch"))
    .order_by(part_names.c.first)
    .limit(bindparam("most"))
)
_FORGET_NAMES: Final = part_names.delete().where(
    part_names.c.batch_id == bindparam("of_batch"), part_names.c.first == bindparam("at")
)
# Whatever is waiting is among the newest; of these, as many as one look is worth.
_AT_ONCE: Final = 100


class ReadingLostError(Exception):
    """The upload was taken over by another reader, or its batch was cancelled."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, as far as it is here.

    `size` and `received` count bytes; `key` is sealed, and gone once the bytes are deleted. `first` is the ordinal of
    the upload's first row in the batch, `pieces` says how much of what its reader tells is kept.
    """

    batch_id: int
    number: int
    kind: UploadKind
    name: str
    size: int | None
    received: int
    layout: str
    key: bytes | None
    host: str
    state: UploadState
    problem: str | None
    rows_read: int
    pieces: int
    first: int
    started_at: int | None
    created_at: int
    account_id: int
    product_id: int
    product_key: str
    auth_type: str


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file that is announced: whose it is, what it is called, and how it is kept.

    `layout` is JSON; `key` is sealed for `key_owner`.
    """

    batch_id: int
    account_id: int
    product_id: int
    name: str
    size: int | None
    layout: str
    key: bytes
    host: str
    application: Application | None


def key_owner(batch_id: int, number: int) -> str:
    """Return what the key of an upload's bytes is sealed for."""
    return f"upload:{batch_id}:{number}:key"


class Uploads:
    """Uploads by batch and number: 0 is the file, others are corrections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = [upload.c[name] for name in (*_OWN, *_MORE)]
        columns += [batch.c.account_id, batch.c.product_id, product.c.key, product.c.auth_type]
        every = select(*columns)
        every = every.join(batch, batch.c.id == upload.c.batch_id).join(product, product.c.id == batch.c.product_id)
        of_batch = every.where(upload.c.batch_id == bindparam("batch_id"))
        self._find = database.prepare(of_batch.where(upload.c.number == bindparam("number")))
        self._latest = database.prepare(of_batch.order_by(upload.c.number.desc()).limit(1))
        waits = or_(*(upload.c.state == state for state in CLAIMABLE))
        waiting = every.where(waits, upload.c.key.is_not(None), upload.c.leased_until <= bindparam("now"))
        self._waiting = database.prepare(waiting.order_by(upload.c.batch_id).limit(_AT_ONCE))
        is_over = or_(
            batch.c.state == State.CREATE_SUCCESS,
            batch.c.cancelled_at.is_not(None),
            and_(
                func.coalesce(batch.c.moved_at, 0) < bindparam("before"),
                or_(batch.c.state != State.CHECK, upload.c.state == UploadState.RECEIVING),
            ),
        )
        rests = [upload.c.state != state for state in CLAIMABLE]
        over = every.where(upload.c.key.is_not(None), is_over, batch.c.state != State.CREATE, *rests)
        self._over = database.prepare(over.order_by(upload.c.batch_id).limit(_AT_ONCE))

    def announce(self, new: NewUpload, token: ClientToken | None, now: int) -> int:
        """Add a batch whose rows are in a file that is still to come, and return its id, or the same token's.

        Raises PRODUCT_NOT_FOUND.
        """
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.batch_id, now)
            if earlier is not None:
                return earlier
            self._database.bulk.hold_products(connection, [new.product_id])
            application = new.application
            values = {
                "id": new.batch_id,
                "account_id": new.account_id,
                "product_id": new.product_id,
                "state": State.CHECK,
                "origin": Origin.FILE,
                "total": 0,
                "is_reading": 1,
                "policy": application and application.policy,
                "replaces": int(bool(application and application.replaces)),
                "created_at": now,
                "moved_at": now,
            }
            connection.execute(batch.insert().values(**values))
            connection.execute(upload.insert().values(**_new(new, 0, UploadKind.FILE, now)))
        return new.batch_id

    def announce_corrections(self, new: NewUpload, number: int, now: int) -> None:
        """Add an upload to a batch; what was announced under this number before and has not come is forgotten."""
        with self._database.transaction() as connection:
            connection.execute(upload.delete().where(_RECEIVING), {"of_batch": new.batch_id, "at": number})
            values = _new(new, number, UploadKind.CORRECTIONS, now)
            if new.application is not None:
                values |= {"policy": new.application.policy, "replaces": int(new.application.replaces)}
            connection.execute(upload.insert().values(**values))

    def find(self, batch_id: int, number: int = 0) -> Upload | None:
        """Return an upload, or None."""
        return _read(self._find.row(batch_id=batch_id, number=number))

    def latest(self, batch_id: int) -> Upload | None:
        """Return the newest upload of a batch, or None."""
        return _read(self._latest.row(batch_id=batch_id))

    def advance(self, batch_id: int, number: int, received: int) -> bool:
        """Say how many bytes are on disk; False if nothing more was to come."""
        with self._database.transaction(durable=False) as connection:
            values = {"of_batch": batch_id, "at": number, "received": received}
            return connection.execute(_ADVANCE, values).rowcount == 1

    def complete(self, batch_id: int, number: int, received: int, now: int) -> bool:
        """Say that all bytes are on disk, so that the file may be read; False if that was said before.

        A batch with failed rows goes back to CHECK for its corrections. Raises what `reopen` does.
        """
        with self._database.transaction() as connection:
            ended = {"size": received, "received": received, "state": UploadState.RECEIVED}
            values = {"of_batch": batch_id, "at": number, **ended}
            if connection.execute(_ADVANCE, values).rowcount != 1:
                return False
            if number:
                first = connection.execute(_NEXT, {"of_batch": batch_id}).scalar_one()
                here = {"of_batch": batch_id, "at": number}
                connection.execute(upload.update().where(_THIS), {**here, "first": first})
                asked = connection.execute(select(upload.c.policy, upload.c.replaces).where(_THIS), here).one()
                application = Application(Policy(asked.policy), bool(asked.replaces)) if asked.policy else None
                reopen(connection, batch_id, application, now, for_reading=True)
        return True

    def waiting(self, now: int) -> list[Upload]:
        """Return uploads that are to be read and that no reader holds, oldest first."""
        return _read_all(self._waiting.rows(now=now))

    def claim(self, chosen: Upload, owner: str, now: int, until: int) -> bool:
        """Hold an upload to read it; False if another reader was faster. `owner` must be new with every claim."""
        with self._database.transaction(durable=False) as connection:
            started = {"state": UploadState.READING, "started_at": chosen.started_at or now}
            values = {"now": now, "owner": owner, "leased_until": until, **started}
            return connection.execute(_CLAIM, {**_key(chosen), **values}).rowcount == 1

    def hold(self, chosen: Upload, owner: str, **values: int | str | None) -> None:
        """Keep a claim, and note what is known of the upload. Raises ReadingLostError if the claim was lost."""
        with self._database.transaction(durable=False) as connection:
            _hold(connection, chosen, owner, values)

    def release(self, chosen: Upload, owner: str) -> None:
        """Let another reader have an upload. Raises ReadingLostError if one has it already."""
        with self._database.transaction() as connection:
            freed = {"state": UploadState.RECEIVED, "owner": None, "leased_until": 0}
            _hold(connection, chosen, owner, freed)

    def finish(self, chosen: Upload, owner: str, now: int, most_devices: int | None) -> None:
        """Say that a whole file has been read. Raises ReadingLostError."""
        with self._database.transaction() as connection:
            _hold(connection, chosen, owner, {"state": UploadState.READ, "owner": None, "leased_until": 0})
            _end_reading(connection, chosen.batch_id, now, most_devices)

    def fail(self, chosen: Upload, owner: str, problem: str, now: int) -> None:
        """Say that a file cannot be read, and why. Raises ReadingLostError."""
        failed = {"state": UploadState.FAILED, "problem": problem, "owner": None, "leased_until": 0}
        with self._database.transaction() as connection:
            _hold(connection, chosen, owner, failed)
            connection.execute(batch.update().where(batch.c.id == chosen.batch_id).values(policy=None, replaces=0))
            _end_reading(connection, chosen.batch_id, now, None)

    def over(self, before: int) -> list[Upload]:
        """Return uploads whose bytes nothing needs any more, or whose batches have waited for somebody since a time."""
        return _read_all(self._over.rows(before=before))

    def forget_names(self, batch_id: int, most: int) -> bool:
        """Delete the names of up to `most` parts of a batch; False if there were none left."""
        with self._database.transaction() as connection:
            firsts = list(connection.execute(_KEPT_NAMES, {"of_batch": batch_id, "most": most}).scalars())
            if firsts:
                connection.execute(_FORGET_NAMES, [{"of_batch": batch_id, "at": first} for first in firsts])
        return bool(firsts)

    def forget(self, chosen: Upload) -> None:
        """Forget the key of bytes that are deleted; without it a copy of them is worth nothing."""
        with self._database.transaction() as connection:
            connection.execute(upload.update().where(_THIS), {**_key(chosen), "key": None})


def _end_reading(connection: Connection, batch_id: int, now: int, most_devices: int | None) -> None:
    row = connection.execute(_READ_ENDED, {"of_batch": batch_id}).one_or_none()
    if row is None:
        raise ReadingLostError
    if row.done == row.total:
        end_check(connection, batch_id, row, now, most_devices)


def _hold(connection: Connection, chosen: Upload, owner: str, values: dict[str, Any]) -> None:
    if connection.execute(_HELD, {**_key(chosen), "by": owner, **values}).rowcount != 1:
        raise ReadingLostError


def _key(chosen: Upload) -> dict[str, int]:
    return {"of_batch": chosen.batch_id, "at": chosen.number}


def _new(new: NewUpload, number: int, kind: UploadKind, now: int) -> dict[str, Any]:
    return {
        "batch_id": new.batch_id,
        "number": number,
        "kind": kind,
        "name": new.name,
        "size": new.size,
        "layout": new.layout,
        "key": new.key,
        "host": new.host,
        "state": UploadState.RECEIVING,
        "created_at": now,
    }


def _read(row: Sequence[Any] | None) -> Upload | None:
    if row is None:
        return None
    batch_id, number, kind, name, size, received, layout, key, host, state, *more = row
    read = (UploadKind(kind), name, size, received, layout, key, host, UploadState(state))
    return Upload(batch_id, number, *read, *more)


def _read_all(rows: Sequence[Sequence[Any]]) -> list[Upload]:
    return [found for row in rows if (found := _read(row)) is not None]
