"""The parts that batches are cut into, and the claims that workers hold on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, case, func, literal_column, select, tuple_

from nameplate.domain.batch import ROWS_PER_PART, RUNNING, RefusedRow, State, Step, outcome
from nameplate.store.database import Database
from nameplate.store.deliveries import HAS_WEBHOOKS, tell
from nameplate.store.packed import unpack
from nameplate.store.schema import batch, part, part_names, product, refusal

_MOST_SMALL: Final = 63
# Written out, so that SQLite sees that the index over waiting parts has them all.
_WAITS: Final = part.c.is_done == literal_column("0")


# Made once: making a statement costs as much as running it.
_IS_WAITING: Final = and_(_WAITS, part.c.leased_until <= bindparam("now"))
_IS_THIS: Final = and_(part.c.batch_id == bindparam("of_batch"), part.c.first == bindparam("at"))
_IS_HELD: Final = and_(_IS_THIS, part.c.owner == bindparam("by"), part.c.is_done == 0)
_LOCK: Final = (
    select(part.c.batch_id, part.c.first, part.c.rows)
    .where(_IS_WAITING, part.c.account_id == bindparam("account_id"), part.c.product_id == bindparam("product_id"))
    .order_by(part.c.batch_id, part.c.first)
    .limit(bindparam("most"))
    .offset(bindparam("skip"))
    .with_for_update(skip_locked=True)
)
_ARE_THESE: Final = tuple_(part.c.batch_id, part.c.first).in_(bindparam("keys", expanding=True))
_HOLD: Final = part.update().where(_ARE_THESE).values(owner=bindparam("owner"), leased_until=bindparam("leased_until"))
_CLAIMED: Final = (
    select(*(part.c[name] for name in ("batch_id", "product_id", "first", "rows", "step")))
    .add_columns(product.c.auth_type)
    .add_columns(*(part_names.c[name] for name in ("names", "nicknames", "sns", "secrets", "tags", "lines")))
    .add_columns(part.c.outcomes, part_names.c.sealed.is_not(None))
    .select_from(part)
    .join(product, product.c.id == part.c.product_id)
    .outerjoin(part_names)
    # Where to look, and then which: no other claim has its owner.
    .where(part.c.batch_id.between(bindparam("least_id"), bindparam("most_id")))
    .where(part.c.first.between(bindparam("least"), bindparam("most")), part.c.owner == bindparam("owner"))
    .order_by(part.c.batch_id, part.c.first)
)
_EXTEND: Final = part.update().where(_IS_HELD).values(leased_until=bindparam("until"))
_FINISH: Final = part.update().where(_IS_HELD).values(is_done=1, owner=None, leased_until=0)
_ARE_ITS_NAMES: Final = and_(part_names.c.batch_id == bindparam("of_batch"), part_names.c.first == bindparam("at"))
_FORGET_NAMES: Final = part_names.delete().where(_ARE_ITS_NAMES)
_DONE: Final = batch.c.done + bindparam("rows")
_REFUSED: Final = batch.c.refused + bindparam("bad")
_HAS_MORE: Final = batch.c.total > _DONE
_ENDED: Final = case((_REFUSED > 0, bindparam("failure")), else_=bindparam("success"))
# Moves the batch on too, after the last part: one statement less for whoever waits.
_COUNT: Final = (
    batch.update()
    .where(batch.c.id == bindparam("of_batch"), batch.c.state == bindparam("running"))
    .ordered_values(
        (batch.c.done, _DONE),
        (batch.c.refused, _REFUSED),
        (batch.c.state, case((_HAS_MORE, batch.c.state), else_=_ENDED)),
        (batch.c.moved_at, case((_HAS_MORE, batch.c.moved_at), else_=bindparam("now"))),
    )
    .returning(batch.c.state, batch.c.account_id, HAS_WEBHOOKS)
)


class LeaseLostError(Exception):
    """The claim ran out and another worker holds the part, or has done it."""

    def __init__(self, batch_id: int) -> None:
        super().__init__(f"The claim on a part of batch {batch_id} was lost.")
        self.batch_id = batch_id


class Flow(NamedTuple):
    """Whose parts are done in order: one product's."""

    account_id: int
    product_id: int


@dataclass(slots=True)
class Turns:
    """Who was served last: an account, and of each account a product."""

    account_id: int = 0
    product_ids: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on one part for one step.

    `names`, `nicknames` and `sns` are JSON arrays, `secrets` a sealed one; `owner` is the fence. Rows of a file have
    `lines`, `outcomes` (see `file_parts`) and, instead of `secrets`, perhaps sealed ones: see `Parts.sealed`.
    """

    owner: str
    batch_id: int
    product_id: int
    first: int
    rows: int
    step: Step
    auth_type: str
    names: str | None
    nicknames: str | None
    sns: str | None
    secrets: bytes | None
    tags: str | None = None
    lines: bytes | None = None
    outcomes: bytes | None = None
    has_sealed: bool = False

    @property
    def is_of_file(self) -> bool:
        """Whether its rows come from a file."""
        return self.lines is not None


class Parts:
    """Parts, waiting and claimed.

    Parts of one account and product are done in order; accounts take turns, and so do the products of one account.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._account = database.prepare(_next(part.c.account_id, _IS_WAITING))
        of_account = and_(_IS_WAITING, part.c.account_id == bindparam("account_id"))
        self._product = database.prepare(_next(part.c.product_id, of_account))
        self._claimed = database.prepare(_CLAIMED)
        self._sealed = database.prepare(select(part_names.c.sealed).where(_ARE_ITS_NAMES))
        backlog = select(func.count(), func.min(part.c.waiting_since)).where(_IS_WAITING)
        self._backlog = database.prepare(backlog)

    def next_flow(self, turns: Turns, now: int) -> Flow | None:
        """Return whose turn it is, and take note of it; None if no part waits."""
        account_id = _only(self._account.row(after=turns.account_id, now=now))
        if account_id is None:
            return None
        last = turns.product_ids.get(account_id, 0)
        product_id = _only(self._product.row(account_id=account_id, after=last, now=now))
        if product_id is None:
            return None
        turns.account_id = account_id
        turns.product_ids[account_id] = product_id
        return Flow(account_id, product_id)

    def backlog(self, now: int) -> tuple[int, int | None]:
        """Return how many parts nobody is working on, and since when the oldest of them has waited."""
        row = self._backlog.row(now=now)
        assert row is not None
        return row[0], row[1]

    def claim(self, owner: str, flow: Flow, now: int, until: int, most: int = 1) -> list[Claim]:
        """Hold a flow's oldest waiting parts until a time: `most` of them, or more if they are small.

        `owner` must be new with every claim.
        """
        # A claim that is lost in a crash is made again, as one that has run out.
        with self._database.transaction(durable=False) as connection:
            keys = _lock_waiting(connection, flow, now, most)
            if not keys:
                return []
            connection.execute(_HOLD, {"keys": keys, "owner": owner, "leased_until": until})
        # After the transaction, which others wait for: what is read is large.
        numbers, firsts = zip(*keys, strict=True)
        between = {"least_id": min(numbers), "most_id": max(numbers), "least": min(firsts), "most": max(firsts)}
        return [_read_claim(owner, row) for row in self._claimed.rows(owner=owner, **between)]

    def sealed(self, claim: Claim) -> bytes:
        """Return the secrets of a claim that has sealed ones, as `secrets.pack` returns them.

        They are most of what a part has, and a check seldom needs them. Raises LeaseLostError.
        """
        row = self._sealed.row(of_batch=claim.batch_id, at=claim.first)
        if row is None:
            raise LeaseLostError(claim.batch_id)
        sealed: bytes = row[0]
        return sealed

    def extend(self, claims: Sequence[Claim], until: int) -> int:
        """Hold parts for longer; returns how many are still held."""
        with self._database.transaction(durable=False) as connection:
            return sum(connection.execute(_EXTEND, _fence(claim) | {"until": until}).rowcount for claim in claims)

    def finish(self, connection: Connection, claim: Claim, refused: Sequence[RefusedRow], now: int) -> State:
        """Mark a part done, in the transaction that did it, and move its batch on after the last one.

        Returns the batch's state. Raises LeaseLostError, so that the transaction is rolled back, if the claim was lost.
        """
        finish_claim(connection, claim)
        if claim.step is Step.CREATE and claim.names is not None:
            forget_names(connection, claim)
        _add_refusals(connection, claim, refused)
        running = RUNNING[claim.step]
        passed = {"of_batch": claim.batch_id, "running": running, "rows": claim.rows, "bad": len(refused), "now": now}
        ends = {"success": outcome(claim.step, 0), "failure": outcome(claim.step, 1)}
        state, account_id, has_webhooks = connection.execute(_COUNT, passed | ends).one()
        if has_webhooks and state != running:
            tell(connection, account_id, claim.batch_id, State(state), now)
        return State(state)


def finish_claim(connection: Connection, claim: Claim, **values: Any) -> None:  # noqa: ANN401 (columns of any type)
    """Mark a part done, and set columns of it.

    Raises LeaseLostError if the claim was lost.
    """
    if connection.execute(_FINISH, {**_fence(claim), **values}).rowcount != 1:
        raise LeaseLostError(claim.batch_id)


def forget_names(connection: Connection, claim: Claim) -> None:
    """Delete the names that were sent."""
    connection.execute(_FORGET_NAMES, {"of_batch": claim.batch_id, "at": claim.first})


def _next(column: ColumnElement[int], is_waiting: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the lowest value above `after`, or else the lowest of all."""
    above = select(func.min(column)).where(is_waiting, column > bindparam("after")).scalar_subquery()
    lowest = select(func.min(column)).where(is_waiting).scalar_subquery()
    return select(func.coalesce(above, lowest))


def _only(row: tuple[Any, ...] | None) -> int | None:
    return None if row is None else row[0]


def _lock_waiting(connection: Connection, flow: Flow, now: int, most: int) -> list[tuple[int, int]]:
    """Lock a flow's oldest waiting parts, and return the keys of those that fit into `most` full ones."""
    values = {"account_id": flow.account_id, "product_id": flow.product_id, "now": now}
    rows = list(connection.execute(_LOCK, {**values, "most": most, "skip": 0}))
    # Never more than may be needed: what is locked is not there for others.
    if rows and sum(row.rows for row in rows) <= most * ROWS_PER_PART // 2:
        rows += connection.execute(_LOCK, {**values, "most": _MOST_SMALL, "skip": len(rows)})
    keys: list[tuple[int, int]] = []
    room = most * ROWS_PER_PART
    for row in rows:
        room -= row.rows
        if keys and room < 0:
            break
        keys.append((row.batch_id, row.first))
    return keys


def _read_claim(owner: str, row: Sequence[Any]) -> Claim:
    batch_id, product_id, first, rows, step, auth_type, names, nicknames, sns, secrets, tags, *more, has_sealed = row
    names, nicknames, sns, tags = (text and unpack(text) for text in (names, nicknames, sns, tags))
    given = (names, nicknames, sns, secrets, tags, *more, bool(has_sealed))
    return Claim(owner, batch_id, product_id, first, rows, Step(step), auth_type, *given)


def _fence(claim: Claim) -> dict[str, Any]:
    return {"of_batch": claim.batch_id, "at": claim.first, "by": claim.owner}


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
