"""Batches, the parts they are cut into, and the claims that workers hold on parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, and_, bindparam, select

from nameplate.domain.batch import FOLLOWERS, ROWS_PER_PART, RUNNING, RefusedRow, State, Step, outcome
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.database import Database
from nameplate.store.schema import batch, part, part_names, product, refusal

_FINAL_KEPT: Final = 10_000


class LeaseLostError(Exception):
    """The claim ran out and another worker holds the part, or has done it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, as it stands.

    `done` and `refused` count the rows of the present or last step.
    """

    id: int
    account_id: int
    product_id: int
    product_key: str
    state: State
    is_named: bool
    total: int
    done: int
    refused: int


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to add: its names, or only how many devices; one nickname (or None) per name, or none at all."""

    id: int
    account_id: int
    product_id: int
    state: State
    total: int
    names: Sequence[str] | None = None
    nicknames: Sequence[str | None] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on one part for one step.

    `names` and `nicknames` are JSON arrays; `owner` is the fence.
    """

    owner: str
    batch_id: int
    product_id: int
    first: int
    rows: int
    step: Step
    names: str | None
    nicknames: str | None


@dataclass(frozen=True, slots=True)
class RefusedName:
    """A row of a batch that was refused, and why."""

    name: str
    nickname: str | None
    reason: str


class Batches:
    """Batches by id.

    A batch is its own queue: its parts are what workers claim.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._final: dict[int, Batch] = {}
        columns = [batch.c[name] for name in ("id", "account_id", "product_id")]
        columns += [
            product.c.key,
            *(batch.c[name] for name in ("state", "is_named", "total", "done", "refused")),
        ]
        found = select(*columns).join(product).where(batch.c.id == bindparam("batch_id"))
        self._find = database.prepare(found)
        waiting = select(part.c.batch_id).where(part.c.is_done == 0, part.c.leased_until <= bindparam("now")).limit(1)
        self._waiting = database.prepare(waiting)
        names = select(part_names.c.names).where(part_names.c.batch_id == bindparam("batch_id"))
        names = names.order_by(part_names.c.first)
        self._names = database.prepare(names)
        refused = select(refusal.c.name, refusal.c.nickname, refusal.c.reason)
        refused = refused.where(refusal.c.batch_id == bindparam("batch_id")).order_by(refusal.c.ordinal)
        self._refused = database.prepare(refused)

    def add(self, new: NewBatch, token: ClientToken | None, now: int) -> int:
        """Add a batch and return its id; or the id of the batch that the same token made before."""
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.id, now)
            if earlier is not None:
                return earlier
            connection.execute(
                batch.insert().values(
                    id=new.id,
                    account_id=new.account_id,
                    product_id=new.product_id,
                    state=new.state,
                    is_named=int(new.names is not None),
                    total=new.total,
                    created_at=now,
                )
            )
            starts = range(0, new.total, ROWS_PER_PART)
            connection.execute(part.insert(), [_new_part(new, first) for first in starts])
            if new.names is not None:
                connection.execute(part_names.insert(), [_new_names(new, first) for first in starts])
        return new.id

    def find(self, batch_id: int) -> Batch | None:
        """Return a batch, or None."""
        final = self._final.get(batch_id)
        if final is not None:
            return final
        row = self._find.row(batch_id=batch_id)
        if row is None:
            return None
        number, account_id, product_id, key, state, is_named, *counts = row
        found = Batch(number, account_id, product_id, key, State(state), bool(is_named), *counts)
        if not FOLLOWERS[found.state]:
            # It cannot change any more, and is what callers ask for most.
            if len(self._final) >= _FINAL_KEPT:
                self._final.clear()
            self._final[batch_id] = found
        return found

    def names(self, batch_id: int) -> list[str]:
        """Return the names that were sent, in order.

        Gone once the devices are created.
        """
        return [name for (names,) in self._names.rows(batch_id=batch_id) for name in orjson.loads(names)]

    def refused(self, batch_id: int) -> list[RefusedName]:
        """Return the rows that the last step refused, in order."""
        return [RefusedName(*row) for row in self._refused.rows(batch_id=batch_id)]

    def start_creation(self, batch_id: int) -> bool:
        """Move a batch from CHECK_SUCCESS to CREATE; False if it was in another state."""
        with self._database.transaction() as connection:
            if not _move(connection, batch_id, State.CHECK_SUCCESS, State.CREATE, done=0, refused=0):
                return False
            again = part.update().where(part.c.batch_id == batch_id)
            connection.execute(again.values(step=Step.CREATE, is_done=0, owner=None, leased_until=0))
        return True

    def is_waiting(self, now: int) -> bool:
        """Whether there is a part to claim."""
        return self._waiting.row(now=now) is not None

    def claim(self, owner: str, now: int, until: int) -> Claim | None:
        """Hold the oldest waiting part until a time, or return None.

        `owner` must be new with every claim.
        """
        if not self.is_waiting(now):
            return None
        columns = [part.c[name] for name in ("batch_id", "first", "rows", "step")]
        columns += [part_names.c.names, part_names.c.nicknames, batch.c.product_id]
        waiting = select(*columns).select_from(part).join(batch).outerjoin(part_names)
        waiting = waiting.where(part.c.is_done == 0, part.c.leased_until <= now)
        waiting = waiting.order_by(part.c.batch_id, part.c.first).limit(1).with_for_update(of=part, skip_locked=True)
        with self._database.transaction() as connection:
            row = connection.execute(waiting).one_or_none()
            if row is None:
                return None
            held = part.update().where(part.c.batch_id == row.batch_id, part.c.first == row.first)
            connection.execute(held.values(owner=owner, leased_until=until))
        return Claim(
            owner=owner,
            batch_id=row.batch_id,
            product_id=row.product_id,
            first=row.first,
            rows=row.rows,
            step=Step(row.step),
            names=row.names,
            nicknames=row.nicknames,
        )

    def extend(self, claim: Claim, until: int) -> bool:
        """Hold a part for longer; False if the claim was lost."""
        with self._database.transaction() as connection:
            held = part.update().where(_is_held(claim)).values(leased_until=until)
            return connection.execute(held).rowcount == 1

    def finish(self, connection: Connection, claim: Claim, refused: Sequence[RefusedRow]) -> State:
        """Mark a part done, in the transaction that did it, and move its batch on after the last one.

        Returns the batch's state. Raises LeaseLostError, so that the transaction is rolled back, if the claim was lost.
        """
        done = part.update().where(_is_held(claim)).values(is_done=1, owner=None, leased_until=0)
        if connection.execute(done).rowcount != 1:
            raise LeaseLostError
        if claim.step is Step.CREATE:
            sent = and_(part_names.c.batch_id == claim.batch_id, part_names.c.first == claim.first)
            connection.execute(part_names.delete().where(sent))
        _add_refusals(connection, claim, refused)
        counted = batch.update().where(batch.c.id == claim.batch_id, batch.c.state == RUNNING[claim.step])
        counted = counted.values(done=batch.c.done + claim.rows, refused=batch.c.refused + len(refused))
        columns = (batch.c.total, batch.c.done, batch.c.refused)
        total, passed, failed = connection.execute(counted.returning(*columns)).one()
        if passed < total:
            return RUNNING[claim.step]
        ended = outcome(claim.step, failed)
        _move(connection, claim.batch_id, RUNNING[claim.step], ended)
        return ended


def _new_part(new: NewBatch, first: int) -> dict[str, Any]:
    end = min(first + ROWS_PER_PART, new.total)
    step = Step.CHECK if new.state is State.CHECK else Step.CREATE
    return {"batch_id": new.id, "first": first, "rows": end - first, "step": step}


def _new_names(new: NewBatch, first: int) -> dict[str, Any]:
    names, nicknames = (_write(values, first, first + ROWS_PER_PART) for values in (new.names, new.nicknames))
    return {"batch_id": new.id, "first": first, "names": names, "nicknames": nicknames}


def _write(values: Sequence[str | None] | None, first: int, end: int) -> str | None:
    return None if values is None else orjson.dumps(values[first:end]).decode()


def _is_held(claim: Claim) -> ColumnElement[bool]:
    mine = and_(part.c.batch_id == claim.batch_id, part.c.first == claim.first)
    return and_(mine, part.c.owner == claim.owner, part.c.is_done == 0)


def _move(connection: Connection, batch_id: int, old: State, new: State, **values: int) -> bool:
    moved = batch.update().where(batch.c.id == batch_id, batch.c.state == old).values(state=new, **values)
    return connection.execute(moved).rowcount == 1


def _add_refusals(connection: Connection, claim: Claim, refused: Sequence[RefusedRow]) -> None:
    if not refused:
        return
    names = orjson.loads(claim.names or "[]")
    nicknames = orjson.loads(claim.nicknames or "[]") or [None] * len(names)
    rows = [
        {
            "batch_id": claim.batch_id,
            "ordinal": claim.first + row.ordinal,
            "name": names[row.ordinal],
            "nickname": nicknames[row.ordinal],
            "reason": row.reason,
        }
        for row in refused
    ]
    connection.execute(refusal.insert(), rows)
