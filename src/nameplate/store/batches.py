"""Batches, and the names that were sent with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, func, select

from nameplate.domain.batch import FOLLOWERS, ROWS_PER_PART, Origin, State, Step
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.database import Database
from nameplate.store.deliveries import HAS_WEBHOOKS, tell
from nameplate.store.packed import pack, unpack
from nameplate.store.schema import batch, part, part_names, product, refusal
from nameplate.store.tallies import check_room

# Whether anybody is to be told comes with the change itself, so that it costs the others nothing.
_MOVE: Final = (
    batch.update()
    .where(batch.c.id == bindparam("of_batch"), batch.c.state == bindparam("old"))
    .returning(batch.c.account_id, HAS_WEBHOOKS)
)
_CREATE_NEXT: Final = (
    part.update()
    .where(part.c.batch_id == bindparam("of_batch"))
    .values(step=Step.CREATE, is_done=0, owner=None, leased_until=0, waiting_since=bindparam("now"))
)
_FINAL_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, as it stands.

    `done` and `refused` count the rows of the present or last step; `created` the devices of a file's.
    """

    id: int
    account_id: int
    product_id: int
    product_key: str
    state: State
    origin: Origin
    total: int
    done: int
    refused: int
    created: int

    @property
    def devices(self) -> int:
        """How many devices it has created, once it has ended."""
        if self.origin is Origin.FILE:
            return self.created
        return self.total - self.refused


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to add: its names, or only how many devices.

    It begins in CHECK; or where there is nothing to check in CREATE, or checked, in CHECK_SUCCESS.
    `nicknames` and `sns` have a text or None for each name, or are not there at all. `seal` seals the secrets of
    imported devices for an owner (see `MasterKey.seal`).
    """

    id: int
    account_id: int
    product_id: int
    state: State
    total: int
    names: Sequence[str] | None = None
    nicknames: Sequence[str | None] | None = None
    sns: Sequence[str | None] | None = None
    secrets: Sequence[str] | None = None
    seal: Callable[[bytes, str], bytes] | None = None

    @property
    def origin(self) -> Origin:
        """Where names and secrets come from."""
        if self.names is None:
            return Origin.MINTED
        return Origin.NAMED if self.secrets is None else Origin.IMPORTED

    @property
    def is_checked(self) -> bool:
        """Whether its names have been found new by the one who adds it."""
        return self.state is State.CHECK_SUCCESS


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
            *(batch.c[name] for name in ("state", "origin", "total", "done", "refused", "created")),
        ]
        found = select(*columns).join(product).where(batch.c.id == bindparam("batch_id"))
        self._find = database.prepare(found)
        names = select(part_names.c.names).where(part_names.c.batch_id == bindparam("batch_id"))
        names = names.order_by(part_names.c.first)
        self._names = database.prepare(names)
        refused = select(refusal.c.name, refusal.c.nickname, refusal.c.reason)
        refused = refused.where(refusal.c.batch_id == bindparam("batch_id")).order_by(refusal.c.ordinal)
        self._refused = database.prepare(refused)
        self._counts = database.prepare(select(batch.c.state, func.count()).group_by(batch.c.state))

    def add(self, new: NewBatch, token: ClientToken | None, now: int, most: int | None = None) -> int:
        """Add a batch and return its id; or the id of the batch that the same token made before.

        Raises PRODUCT_NOT_FOUND, and TOO_MANY_DEVICES if its product would have more than `most`.
        """
        starts = range(0, new.total, ROWS_PER_PART)
        names = [] if new.names is None else [_new_names(new, first) for first in starts]
        # With a token the same request may come again and be answered with what it sees.
        with self._database.transaction(seen_early=token is None) as connection:
            earlier = redeem(connection, token, new.id, now)
            if earlier is not None:
                return earlier
            self._database.bulk.hold_products(connection, [new.product_id])
            connection.execute(batch.insert(), _new_batch(new, now))
            connection.execute(part.insert(), [_new_part(new, first, now) for first in starts])
            if names:
                connection.execute(part_names.insert(), names)
            check_room(connection, new.product_id, new.total if new.state is State.CREATE else 0, most)
            if new.is_checked:
                tell(connection, new.account_id, new.id, new.state, now)
        return new.id

    def find(self, batch_id: int) -> Batch | None:
        """Return a batch, or None."""
        final = self._final.get(batch_id)
        if final is not None:
            return final
        row = self._find.row(batch_id=batch_id)
        if row is None:
            return None
        number, account_id, product_id, key, state, origin, *counts = row
        found = Batch(number, account_id, product_id, key, State(state), Origin(origin), *counts)
        if not FOLLOWERS[found.state] and found.origin is not Origin.FILE:
            # It cannot change any more, and is what callers ask for most.
            if len(self._final) >= _FINAL_KEPT:
                self._final.clear()
            self._final[batch_id] = found
        return found

    def names(self, batch_id: int) -> list[str]:
        """Return the names that were sent, in order.

        Gone once the devices are created.
        """
        return [name for (names,) in self._names.rows(batch_id=batch_id) for name in orjson.loads(unpack(names))]

    def refused(self, batch_id: int) -> list[RefusedName]:
        """Return the rows that the last step refused, in order."""
        return [RefusedName(*row) for row in self._refused.rows(batch_id=batch_id)]

    def count_by_state(self) -> dict[State, int]:
        """Return how many batches there are in each state."""
        counted = {State(state): int(count) for state, count in self._counts.rows()}
        return {state: counted.get(state, 0) for state in State}

    def start_creation(self, checked: Batch, now: int, most: int | None = None) -> bool:
        """Move a batch from CHECK_SUCCESS to CREATE; False if it was in another state.

        It is seen early. Raises PRODUCT_NOT_FOUND, and TOO_MANY_DEVICES if its product would have more than `most`.
        """
        if checked.state is not State.CHECK_SUCCESS:
            # Whoever has started it may not have been answered yet.
            self._database.flush()
            return False
        with self._database.transaction(seen_early=True) as connection:
            self._database.bulk.hold_products(connection, [checked.product_id])
            if not move(connection, checked.id, State.CHECK_SUCCESS, State.CREATE, now, done=0, refused=0):
                return False
            connection.execute(_CREATE_NEXT, {"of_batch": checked.id, "now": now})
            check_room(connection, checked.product_id, checked.total, most)
        return True


def _new_batch(new: NewBatch, now: int) -> dict[str, Any]:
    own = {name: getattr(new, name) for name in ("id", "account_id", "product_id", "state", "origin", "total")}
    done = new.total if new.is_checked else 0
    return {**own, "done": done, "created_at": now, "moved_at": now}


def _new_part(new: NewBatch, first: int, now: int) -> dict[str, Any]:
    end = min(first + ROWS_PER_PART, new.total)
    step = Step.CREATE if new.state is State.CREATE else Step.CHECK
    flow = {"account_id": new.account_id, "product_id": new.product_id, "step": step, "waiting_since": now}
    return {**flow, "batch_id": new.id, "first": first, "rows": end - first, "is_done": int(new.is_checked)}


def _new_names(new: NewBatch, first: int) -> dict[str, Any]:
    names, nicknames = (_write(values, first, first + ROWS_PER_PART) for values in (new.names, new.nicknames))
    sns = _write(new.sns, first, first + ROWS_PER_PART)
    values: dict[str, Any] = {
        "batch_id": new.id,
        "first": first,
        "names": names,
        "nicknames": nicknames,
        "sns": sns,
        "secrets": None,
    }
    if new.secrets is not None and new.seal is not None:
        secrets = orjson.dumps(new.secrets[first : first + ROWS_PER_PART])
        values["secrets"] = new.seal(secrets, part_owner(new.id, first))
    return values


def _write(values: Sequence[str | None] | None, first: int, end: int) -> bytes | None:
    return None if values is None else pack(orjson.dumps(values[first:end]))


def part_owner(batch_id: int, first: int) -> str:
    """Return what the secrets of a part that is to be imported are sealed for."""
    return f"part:{batch_id}:{first}:secrets"


def move(connection: Connection, batch_id: int, old: State, new: State, now: int, **values: int | str | None) -> bool:
    """Move a batch from one state to another, and have webhooks told of it; False if it was not in the old one."""
    values |= {"state": new, "moved_at": now}
    moved = connection.execute(_MOVE, {"of_batch": batch_id, "old": old, **values}).one_or_none()
    if moved is None:
        return False
    account_id, has_webhooks = moved
    if has_webhooks:
        tell(connection, account_id, batch_id, new, now)
    return True
