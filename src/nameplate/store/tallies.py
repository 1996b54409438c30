"""How many devices there are: counting the rows of millions takes too long for a call.

Whoever creates or deletes devices adds to a tally in the same transaction. A product has several, which add up, so that
those who do so at once seldom wait for each other.
"""

from secrets import randbelow
from typing import Any, Final

from sqlalchemy import Connection, ScalarSelect, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from nameplate.domain.batch import State
from nameplate.errors import TOO_MANY_DEVICES
from nameplate.store.database import Database
from nameplate.store.schema import batch, product, tally

_SLOTS: Final = 16
_COUNT: Final = func.coalesce(func.sum(tally.c.devices), 0)


def _add(insert: Any) -> Any:  # noqa: ANN401 (either dialect's)
    first = insert(tally).values(product_id=bindparam("of_product"), slot=bindparam("at"), devices=bindparam("more"))
    more = {"devices": tally.c.devices + bindparam("more")}
    return first.on_conflict_do_update(index_elements=[tally.c.product_id, tally.c.slot], set_=more)


_ADD: Final = {"sqlite": _add(sqlite.insert), "postgresql": _add(postgresql.insert)}


def _there() -> ScalarSelect[Any]:
    return select(_COUNT).where(tally.c.product_id == bindparam("product_id")).scalar_subquery()


def _coming() -> ScalarSelect[Any]:
    left = select(func.coalesce(func.sum(batch.c.total - batch.c.done), 0))
    return left.where(batch.c.product_id == bindparam("product_id"), batch.c.state == State.CREATE).scalar_subquery()


# One statement, so that a part that is being done is counted on one side or on the other.
_PROMISED: Final = select(_there() + _coming())
_HOLD: Final = select(product.c.id).where(product.c.id == bindparam("product_id")).with_for_update(key_share=True)


def count_in(connection: Connection, product_id: int, more: int) -> None:
    """Count devices that a transaction has created or, if `more` is negative, deleted: the last thing that it does."""
    if more:
        values = {"of_product": product_id, "at": randbelow(_SLOTS), "more": more}
        connection.execute(_ADD[connection.dialect.name], values)


def check_room(connection: Connection, product_id: int, more: int, most: int | None) -> None:
    """Refuse what a transaction has just added to a product, `more` devices now or later, if it has `most` already.

    Raises TOO_MANY_DEVICES. Until the transaction ends nobody else is let past this.
    """
    if most is None:
        return
    promised = _promised(connection, product_id)
    if promised > most:
        raise TOO_MANY_DEVICES(most=most, there=promised - more, more=more)


def require_room(connection: Connection, product_id: int, more: int, most: int | None) -> None:
    """Refuse to promise `more` devices of a product that has at most `most`: TOO_MANY_DEVICES."""
    if not has_room(connection, product_id, more, most):
        raise TOO_MANY_DEVICES(most=most, there=_promised(connection, product_id), more=more)


def has_room(connection: Connection, product_id: int, more: int, most: int | None) -> bool:
    """Whether a transaction may promise `more` devices of a product that has at most `most`.

    Until it ends nobody else is let past this.
    """
    return most is None or _promised(connection, product_id) + more <= most


def _promised(connection: Connection, product_id: int) -> int:
    connection.execute(_HOLD, {"product_id": product_id})
    return int(connection.execute(_PROMISED, {"product_id": product_id}).scalar_one())


class Tallies:
    """Devices, counted."""

    def __init__(self, database: Database) -> None:
        self._product = database.prepare(select(_COUNT).where(tally.c.product_id == bindparam("product_id")))
        own = select(product.c.id).where(
            product.c.account_id == bindparam("account_id"), product.c.deleted_at.is_(None)
        )
        self._account = database.prepare(select(_COUNT).where(tally.c.product_id.in_(own)))
        self._promised = database.prepare(_PROMISED)

    def of_product(self, product_id: int) -> int:
        """Return how many devices a product has."""
        return _only(self._product.row(product_id=product_id))

    def of_account(self, account_id: int) -> int:
        """Return how many devices an account has."""
        return _only(self._account.row(account_id=account_id))

    def promised(self, product_id: int) -> int:
        """Return how many devices a product has, or will have when its batches are created."""
        return _only(self._promised.row(product_id=product_id))


def _only(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])
