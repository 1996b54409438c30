"""Batches that come from files: applied, undone, cancelled, opened again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Text, bindparam, func, or_, select

from nameplate.domain.batch import Origin, State, Step
from nameplate.domain.file_batch import Application, Counts, Policy, UploadState, objection
from nameplate.errors import BATCH_CANNOT_BE_APPLIED, BATCH_HAS_ENDED, BATCH_IS_BUSY, NOTHING_TO_RETRY
from nameplate.store.batches import move
from nameplate.store.database import Database
from nameplate.store.file_parts import COUNTS, again, count_resting, start
from nameplate.store.schema import batch, part, product, upload
from nameplate.store.tallies import require_room

_CANCELLED: Final = "The batch was cancelled."
_OWN: Final = ("id", "account_id", "product_id", "state", "policy", "replaces", "is_reading")
_TIMES: Final = ("created_at", "moved_at", "cancelled_at")
_EVERY: Final = part.c.batch_id == bindparam("of_batch")
# In one order, so that two who do so cannot wait for each other.
_LOCK_PARTS: Final = select(part.c.first).where(_EVERY).order_by(part.c.first).with_for_update()
_LOCK: Final = (
    select(*(batch.c[name] for name in (*_OWN, "cancelled_at")), *COUNTS)
    .where(batch.c.id == bindparam("of_batch"), batch.c.origin == Origin.FILE)
    .with_for_update()
)
_IS_UNDONE: Final = select(func.count()).where(_EVERY, part.c.step == Step.UNDO)
_STOP: Final = part.update().where(_EVERY, part.c.is_done == 0)
_SET: Final = batch.update().where(batch.c.id == bindparam("of_batch"))
_STOP_UPLOADS: Final = upload.update().where(
    upload.c.batch_id == bindparam("of_batch"), upload.c.state.not_in((UploadState.READ, UploadState.FAILED))
)


@dataclass(frozen=True, slots=True)
class FileBatch:
    """A batch that comes from a file, as it stands.

    `step` is that of its parts, if it has any.
    """

    id: int
    account_id: int
    product_id: int
    state: State
    policy: Policy | None
    replaces: bool
    is_reading: bool
    product_key: str
    created_at: int
    moved_at: int
    cancelled_at: int | None
    step: Step | None
    counts: Counts


class FileBatches:
    """Batches of files by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        every = _every()
        self._find = database.prepare(every.where(batch.c.id == bindparam("batch_id")))
        page = every.where(
            batch.c.account_id == bindparam("account_id"),
            or_(bindparam("product_key", type_=Text) == "", product.c.key == bindparam("product_key", type_=Text)),
            or_(bindparam("state", type_=Text) == "", batch.c.state == bindparam("state", type_=Text)),
            batch.c.id < bindparam("before"),
        )
        self._page = database.prepare(page.order_by(batch.c.id.desc()).limit(bindparam("size")))

    def find(self, batch_id: int) -> FileBatch | None:
        """Return a batch that comes from a file, or None."""
        row = self._find.row(batch_id=batch_id)
        return None if row is None else _read(row)

    def page(
        self, account_id: int, product_key: str | None, state: State | None, before: int, size: int
    ) -> list[FileBatch]:
        """Return up to `size` of an account's batches with ids below `before`, newest first."""
        chosen = {"product_key": product_key or "", "state": state or ""}
        return [_read(row) for row in self._page.rows(account_id=account_id, before=before, size=size, **chosen)]

    def apply(self, batch_id: int, application: Application, now: int, most: int | None = None) -> State:
        """Let the rows of a checked file be created; returns the state that its batch is in then.

        Applied already in the same way it is left as it is. Raises BATCH_IS_BUSY, BATCH_HAS_ENDED,
        BATCH_CANNOT_BE_APPLIED, PRODUCT_NOT_FOUND, and TOO_MANY_DEVICES if the product would have more than `most`.
        """
        with self._database.transaction() as connection:
            row = _lock(connection, batch_id)
            state = State(row.state)
            if state in (State.CREATE, State.CREATE_SUCCESS) and (row.policy, bool(row.replaces)) == (
                application.policy,
                application.replaces,
            ):
                return state
            _refuse_running(row)
            if row.cancelled_at is not None or state not in (State.CHECK_SUCCESS, State.CHECK_FAILED):
                raise BATCH_HAS_ENDED(how="cancelled" if row.cancelled_at is not None else state)
            counts = _counts(row)
            problem = objection(application, counts)
            if not counts.total:
                problem = "there are no rows in it"
            if problem is not None:
                raise BATCH_CANNOT_BE_APPLIED(problem=problem)
            self._database.bulk.hold_products(connection, [row.product_id])
            require_room(connection, row.product_id, counts.to_create, most)
            return start(connection, batch_id, state, application, counts, now)

    def undo(self, batch_id: int, now: int) -> None:
        """Delete again what a batch has created of which all or nothing is to be created, part by part."""
        with self._database.transaction() as connection:
            _lock_parts(connection, batch_id)
            row = _lock(connection, batch_id)
            if row.state == State.CREATE:
                _undo(connection, row, now)

    def cancel(self, batch_id: int, now: int) -> None:
        """Let nothing more of a batch be created: what there is stays, or is undone if it is all or nothing.

        Raises BATCH_HAS_ENDED if everything has been created.
        """
        with self._database.transaction() as connection:
            connection.execute(
                _STOP_UPLOADS, {"of_batch": batch_id, "state": UploadState.FAILED, "problem": _CANCELLED, "owner": None}
            )
            _lock_parts(connection, batch_id)
            row = _lock(connection, batch_id)
            if row.cancelled_at is not None:
                return
            if row.state == State.CREATE_SUCCESS:
                raise BATCH_HAS_ENDED(how=State.CREATE_SUCCESS)
            _cancel(connection, row, now)

    def retry(self, batch_id: int, application: Application | None, now: int) -> None:
        """Check the rows whose names others have once more; what is then accepted is applied at once if that is given.

        Raises BATCH_IS_BUSY, BATCH_HAS_ENDED and NOTHING_TO_RETRY.
        """
        with self._database.transaction() as connection:
            if not reopen(connection, batch_id, application, now):
                raise NOTHING_TO_RETRY()


def reopen(
    connection: Connection, batch_id: int, application: Application | None, now: int, *, for_reading: bool = False
) -> int:
    """Put a batch with failed rows back to CHECK, and return how many of its rows wait then.

    Those are what was undone and, unless it is opened for rows that will be read, the parts with rows whose names
    others have. Raises BATCH_IS_BUSY and BATCH_HAS_ENDED.
    """
    row = _lock(connection, batch_id)
    _refuse_running(row)
    if row.cancelled_at is not None or row.state not in (State.CHECK_FAILED, State.CREATE_FAILED):
        raise BATCH_HAS_ENDED(how="cancelled" if row.cancelled_at is not None else row.state)
    chosen = part.c.step == Step.UNDO if for_reading else or_(part.c.step == Step.UNDO, part.c.failed > 0)
    left = again(connection, batch_id, chosen, Step.CHECK, now)
    values: dict[str, Any] = {"done": row.total - left, "is_reading": int(for_reading)}
    values["refused"] = row.illegal + count_resting(connection, batch_id)
    values |= {
        "policy": application and application.policy,
        "replaces": int(bool(application and application.replaces)),
    }
    move(connection, batch_id, State(row.state), State.CHECK, now, **values)
    return left


def _cancel(connection: Connection, row: Row[Any], now: int) -> None:
    batch_id, state, counts = row.id, State(row.state), _counts(row)
    if state is State.CREATE and row.policy == Policy.ALL_OR_NOTHING:
        _undo(connection, row, now)
        connection.execute(_SET, {"of_batch": batch_id, "cancelled_at": now})
        return
    # What is not created is so for good: it is as if it had only been checked.
    connection.execute(_STOP, {"of_batch": batch_id, "is_done": 1, "step": Step.CHECK, "owner": None})
    rest = {"done": counts.total, "refused": counts.total - counts.unchanged - counts.created - counts.updated}
    values = {"cancelled_at": now, "is_reading": 0}
    if state in (State.CHECK_FAILED, State.CREATE_FAILED):
        connection.execute(_SET, {"of_batch": batch_id, **values, **rest})
        return
    ended = State.CREATE_FAILED if state is State.CREATE else State.CHECK_FAILED
    move(connection, batch_id, state, ended, now, **values, **rest)


def _undo(connection: Connection, row: Row[Any], now: int) -> None:
    if connection.execute(_IS_UNDONE, {"of_batch": row.id}).scalar_one():
        return
    left = again(connection, row.id, part.c.first >= 0, Step.UNDO, now)
    connection.execute(_SET, {"of_batch": row.id, "done": row.total - left, "refused": 0})


def _lock_parts(connection: Connection, batch_id: int) -> None:
    connection.execute(_LOCK_PARTS, {"of_batch": batch_id}).all()


def _lock(connection: Connection, batch_id: int) -> Row[Any]:
    return connection.execute(_LOCK, {"of_batch": batch_id}).one()


def _refuse_running(row: Row[Any]) -> None:
    if row.state in (State.CHECK, State.CREATE):
        raise BATCH_IS_BUSY(what="checked" if row.state == State.CHECK else "created")


def _counts(row: Row[Any]) -> Counts:
    return Counts(*(getattr(row, column.name) for column in COUNTS))


def _every() -> Select[Any]:
    # All of its parts, or those of its last round, are in the same step.
    step = select(func.max(part.c.step)).where(part.c.batch_id == batch.c.id).scalar_subquery()
    own = [batch.c[name] for name in _OWN]
    times = [batch.c[name] for name in _TIMES]
    columns = (*own, product.c.key, *times, step, *COUNTS)
    return select(*columns).join(product, product.c.id == batch.c.product_id).where(batch.c.origin == Origin.FILE)


def _read(row: Sequence[Any]) -> FileBatch:
    number, account_id, product_id, state, policy, replaces, is_reading, key, created_at, moved_at, *more = row
    cancelled_at, step, *counts = more
    return FileBatch(
        number,
        account_id,
        product_id,
        State(state),
        None if policy is None else Policy(policy),
        bool(replaces),
        bool(is_reading),
        key,
        created_at,
        moved_at or created_at,
        cancelled_at,
        None if step is None else Step(step),
        Counts(*counts),
    )
