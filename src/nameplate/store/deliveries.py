"""What webhooks are to be told: written in the transaction that makes it true, attempted until it is taken."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, and_, bindparam, exists, literal_column, or_, select, tuple_

from nameplate.domain.batch import Origin, State
from nameplate.domain.secrets import mint_text
from nameplate.domain.webhooks import GONE, KEPT_MS, DeliveryState, event_type, next_pause
from nameplate.store.database import Database
from nameplate.store.schema import batch, product, upload, webhook, webhook_delivery

_ID_LENGTH: Final = 24
# Written out, so that SQLite sees that the index over what is waiting has them all.
_IS_WAITING: Final = webhook_delivery.c.state == literal_column("'waiting'")
_LISTENERS: Final = (
    select(webhook.c.id)
    .where(webhook.c.account_id == bindparam("account_id"), webhook.c.is_active == 1)
    .order_by(webhook.c.id)
)
HAS_WEBHOOKS: Final = (
    exists().where(webhook.c.account_id == batch.c.account_id, webhook.c.is_active == 1).correlate(batch)
)
_BATCH: Final = (
    select(batch, product.c.key, upload.c.name, upload.c.size, upload.c.received, upload.c.problem)
    .join(product, product.c.id == batch.c.product_id)
    .outerjoin(upload, and_(upload.c.batch_id == batch.c.id, upload.c.number == 0))
    .where(batch.c.id == bindparam("of_batch"))
)
_SAME: Final = (
    "policy",
    "total",
    "illegal",
    "unchanged",
    "conflicts",
    "updated",
    "created_at",
    "moved_at",
    "cancelled_at",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that one webhook is to be told, or was."""

    id: str
    webhook_id: int
    batch_id: int
    type: str
    payload: str
    state: DeliveryState
    attempts: int
    created_at: int
    due_at: int
    attempted_at: int | None
    status: int | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of attempting a delivery: an HTTP status, or why there is none."""

    delivery: Delivery
    owner: str
    status: int | None
    problem: str | None

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint has taken it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 (success)


class Deliveries:
    """Deliveries by webhook."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = [webhook_delivery.c[name] for name in Delivery.__slots__]
        self._every = select(*columns)
        due = select(webhook_delivery.c.webhook_id).distinct().join(webhook)
        due = due.where(_IS_WAITING, webhook_delivery.c.due_at <= bindparam("now"), webhook.c.is_active == 1)
        self._due = database.prepare(due)
        key = tuple_(webhook_delivery.c.created_at, webhook_delivery.c.id)
        older = key < tuple_(bindparam("before"), bindparam("before_id"))
        page = self._every.where(webhook_delivery.c.webhook_id == bindparam("webhook_id"), older)
        page = page.order_by(webhook_delivery.c.created_at.desc(), webhook_delivery.c.id.desc())
        self._page = database.prepare(page.limit(bindparam("size")))

    def due(self, now: int) -> list[int]:
        """Return the webhooks that are to be told something now."""
        return [webhook_id for (webhook_id,) in self._due.rows(now=now)]

    def claim(self, owner: str, webhook_id: int, now: int, until: int, most: int) -> list[Delivery]:
        """Hold a webhook's oldest deliveries that are due until a time; `owner` must be new with every claim."""
        is_due = (webhook_delivery.c.webhook_id == webhook_id, _IS_WAITING, webhook_delivery.c.due_at <= now)
        locked = self._every.where(*is_due).order_by(webhook_delivery.c.due_at).limit(most)
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute(locked.with_for_update(skip_locked=True)).all()
            ids = [row.id for row in rows]
            held = webhook_delivery.update().where(webhook_delivery.c.id.in_(ids))
            if ids:
                connection.execute(held.values(owner=owner, due_at=until))
        return [_read(row) for row in rows]

    def finish(self, attempt: Attempt, now: int) -> None:
        """Write down what came of an attempt, unless the claim was lost meanwhile."""
        told, attempts = attempt.delivery, attempt.delivery.attempts + 1
        pause = None if attempt.status == GONE else next_pause(attempts)
        state, due_at = DeliveryState.WAITING, now + (pause or 0)
        if attempt.is_taken or pause is None:
            state = DeliveryState.DELIVERED if attempt.is_taken else DeliveryState.FAILED
        values = {"state": state, "attempts": attempts, "due_at": due_at, "attempted_at": now}
        values |= {"status": attempt.status, "problem": attempt.problem, "owner": None}
        held = webhook_delivery.update().where(
            webhook_delivery.c.id == told.id, webhook_delivery.c.owner == attempt.owner, _IS_WAITING
        )
        with self._database.transaction() as connection:
            if connection.execute(held.values(**values)).rowcount and attempt.status == GONE:
                _disable(connection, told.webhook_id)

    def page(self, webhook_id: int, before: tuple[int, str], size: int) -> list[Delivery]:
        """Return up to `size` of a webhook's deliveries before a time and an id, newest first."""
        rows = self._page.rows(webhook_id=webhook_id, before=before[0], before_id=before[1], size=size)
        return [_read(row) for row in rows]

    def replay(self, webhook_id: int, since: int, now: int) -> int:
        """Have everything told again that a webhook was to be told since a time; returns how much that is."""
        again = webhook_delivery.update().where(
            webhook_delivery.c.webhook_id == webhook_id,
            webhook_delivery.c.created_at >= since,
            # One that is being attempted is left alone.
            or_(webhook_delivery.c.owner.is_(None), webhook_delivery.c.due_at <= now),
        )
        values = {"state": DeliveryState.WAITING, "attempts": 0, "due_at": now, "owner": None}
        with self._database.transaction() as connection:
            return connection.execute(again.values(**values)).rowcount

    def forget(self, now: int) -> int:
        """Delete what was told, or given up, too long ago to be told again."""
        old = (webhook_delivery.c.created_at < now - KEPT_MS, webhook_delivery.c.state != DeliveryState.WAITING)
        with self._database.transaction() as connection:
            return connection.execute(webhook_delivery.delete().where(*old)).rowcount


def tell(connection: Connection, account_id: int, batch_id: int, state: State, now: int) -> None:
    """Have an account's webhooks told that a batch has come to a state, in the transaction that brings it there."""
    listeners = list(connection.execute(_LISTENERS, {"account_id": account_id}).scalars())
    if not listeners:
        return
    row = connection.execute(_BATCH, {"of_batch": batch_id}).one()
    said = event_type(state)
    payload = orjson.dumps({"type": said, "timestamp": _moment(now), "data": _data(row)}).decode()
    values = {"batch_id": batch_id, "type": said, "payload": payload, "created_at": now, "due_at": now}
    rows = [{"id": f"msg_{mint_text(_ID_LENGTH)}", "webhook_id": listener, **values} for listener in listeners]
    connection.execute(webhook_delivery.insert(), rows)


def _data(row: Row[Any]) -> dict[str, Any]:
    """Return what is said of a batch: the members of a Progress that a change of state settles."""
    is_of_file = row.origin == Origin.FILE
    ended = row.state in (State.CREATE_SUCCESS, State.CREATE_FAILED)
    return {
        "batch_id": row.id,
        "product_key": row.key,
        "state": row.state,
        "replaces": bool(row.replaces),
        "file": {"name": row.name, "size": row.size, "received": row.received} if is_of_file else None,
        "created": row.created if is_of_file else row.total - row.refused if ended else 0,
        "failed": row.refused,
        "problem": row.problem,
        **{name: getattr(row, name) for name in _SAME},
    }


def _disable(connection: Connection, webhook_id: int) -> None:
    connection.execute(webhook.update().where(webhook.c.id == webhook_id).values(is_active=0))
    waiting = webhook_delivery.update().where(webhook_delivery.c.webhook_id == webhook_id, _IS_WAITING)
    connection.execute(waiting.values(state=DeliveryState.FAILED, problem="the webhook was disabled"))


def _read(row: Any) -> Delivery:  # noqa: ANN401 (a row, or a tuple)
    webhook_delivery_id, webhook_id, batch_id, said, payload, state, *rest = row
    return Delivery(webhook_delivery_id, webhook_id, batch_id, said, payload, DeliveryState(state), *rest)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{milliseconds % 1000:03}Z")
