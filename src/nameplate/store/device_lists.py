"""Devices by the page, newest first, and how many there are.

There is no index for that order: an id begins with the number of its batch, or of a block of singly registered ones,
and a product's numbers are few. So its devices are found by ranges of ids.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, or_, select, union_all

from nameplate.domain.batch import State
from nameplate.domain.device import MAX_ID, Status, first_id, number_of
from nameplate.store.database import Database
from nameplate.store.devices import COLUMNS, Device
from nameplate.store.schema import batch, block, device, product

_NUMBERS_AT_ONCE: Final = 500
_IS_CREATED: Final = or_(
    *(batch.c.state == state for state in (State.CREATE, State.CREATE_SUCCESS, State.CREATE_FAILED))
)
_OF_PRODUCT: Final = device.c.product_id == bindparam("product_id")
_OF_ACCOUNT: Final = device.c.product_id.in_(
    select(product.c.id).where(product.c.account_id == bindparam("account_id"), product.c.deleted_at.is_(None))
)
_IS_UNACTIVE: Final = device.c.status == Status.UNACTIVE
# Said in these words, so that every planner sees that the index over the others has them all.
_IS_OTHER: Final = device.c.status != 0
_HAS_STATUS: Final = and_(_IS_OTHER, device.c.status == bindparam("status"))
_HAS_CONNECTED: Final = and_(_IS_OTHER, or_(device.c.status != Status.DISABLE, device.c.activated_at.is_not(None)))


class Counts(NamedTuple):
    """How many devices there are, are connected, and have ever been."""

    devices: int
    online: int
    active: int


class Scope(NamedTuple):
    """Whose devices are meant: one product's, or all of an account's."""

    account_id: int
    product_id: int | None


class DeviceLists:
    """Devices of a product or account, page by page, and how many there are."""

    def __init__(self, database: Database) -> None:
        self._product_numbers = database.prepare(_numbers())
        between = and_(device.c.id.between(bindparam("first"), bindparam("last")), _OF_PRODUCT)
        self._every = _Ranged(database, between)
        self._unactive = _Ranged(database, and_(between, _IS_UNACTIVE))
        self._of_product = _Scoped(database, _OF_PRODUCT)
        self._of_account = _Scoped(database, _OF_ACCOUNT)

    def newest(self, product_id: int, before: int, skip: int, size: int) -> list[Device]:
        """Return up to `size` of a product's devices with ids below `before`, after the first `skip`."""
        return self._newest(self._every, product_id, before, skip, size)

    def with_status(self, scope: Scope, status: Status, skip: int, size: int) -> list[Device]:
        """Return up to `size` devices with a status, newest first, after the first `skip`."""
        if status is Status.UNACTIVE and scope.product_id is not None:
            return self._newest(self._unactive, scope.product_id, MAX_ID, skip, size)
        scoped, values = self._within(scope)
        if status is Status.UNACTIVE:
            rows = scoped.unactive.rows(**values, skip=skip, size=size)
        else:
            rows = scoped.page.rows(**values, status=status, skip=skip, size=size)
        return [Device(*row) for row in rows]

    def count_status(self, scope: Scope, status: Status) -> int:
        """Return how many devices have a status."""
        scoped, values = self._within(scope)
        if status is Status.UNACTIVE:
            return _only(scoped.count.row(**values)) - _only(scoped.others.row(**values))
        return _only(scoped.with_status.row(**values, status=status))

    def count(self, scope: Scope) -> Counts:
        """Return how many devices there are, are online, and have ever been."""
        scoped, values = self._within(scope)
        return Counts(
            devices=_only(scoped.count.row(**values)),
            online=self.count_status(scope, Status.ONLINE),
            active=_only(scoped.active.row(**values)),
        )

    def _within(self, scope: Scope) -> tuple["_Scoped", dict[str, int]]:
        if scope.product_id is None:
            return self._of_account, {"account_id": scope.account_id}
        return self._of_product, {"product_id": scope.product_id}

    def _newest(self, read: "_Ranged", product_id: int, before: int, skip: int, size: int) -> list[Device]:
        found: list[Device] = []
        for first, last in self.ranges(product_id, before):
            values = {"first": first, "last": min(last, before - 1), "product_id": product_id}
            rows = read.page.rows(**values, skip=skip, size=size - len(found))
            if skip:
                skip = 0 if rows else skip - _only(read.count.row(**values))
            found += (Device(*row) for row in rows)
            if len(found) == size:
                break
        return found

    def ranges(self, product_id: int, before: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of ids below `before` that a product's are in, downwards."""
        low = high = -1
        for number in self._numbers(product_id, number_of(before - 1)):
            # Neighbouring numbers make one range.
            if number == low - 1:
                low = number
                continue
            if high >= 0:
                yield first_id(low), first_id(high + 1) - 1
            low = high = number
        if high >= 0:
            yield first_id(low), first_id(high + 1) - 1

    def _numbers(self, product_id: int, most: int) -> Iterator[int]:
        """Yield the numbers that a product's ids begin with, downwards."""
        while numbers := self._product_numbers.rows(product_id=product_id, most=most):
            yield from (number for (number,) in numbers)
            most = numbers[-1][0] - 1


class _Ranged:
    """A page of a range of ids, and how many devices are in it."""

    def __init__(self, database: Database, where: ColumnElement[bool]) -> None:
        self.page = database.prepare(_page(where))
        self.count = database.prepare(_count(where))


class _Scoped:
    """What is asked of a product, or of an account."""

    def __init__(self, database: Database, whose: ColumnElement[bool]) -> None:
        self.page = database.prepare(_page(and_(_HAS_STATUS, whose)))
        self.unactive = database.prepare(_page(and_(_IS_UNACTIVE, whose)))
        self.count = database.prepare(_count(whose))
        self.with_status = database.prepare(_count(and_(_HAS_STATUS, whose)))
        self.others = database.prepare(_count(and_(_IS_OTHER, whose)))
        self.active = database.prepare(_count(and_(_HAS_CONNECTED, whose)))


def _numbers() -> Select[Any]:
    product_id: BindParameter[int] = bindparam("product_id")
    most: BindParameter[int] = bindparam("most")
    created = select(batch.c.id.label("number")).where(
        batch.c.product_id == product_id, batch.c.id <= most, _IS_CREATED
    )
    single = select(block.c.number).where(block.c.product_id == product_id, block.c.number <= most)
    numbers = union_all(created, single).subquery()
    return select(numbers.c.number).order_by(numbers.c.number.desc()).limit(_NUMBERS_AT_ONCE)


def _page(where: ColumnElement[bool]) -> Select[Any]:
    found = select(*(device.c[name] for name in COLUMNS)).where(where).order_by(device.c.id.desc())
    return found.limit(bindparam("size")).offset(bindparam("skip"))


def _count(where: ColumnElement[bool]) -> Select[Any]:
    return select(func.count()).select_from(device).where(where)


def _only(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])
