"""Devices by the page, newest first, and how many there are.

There is no index for that order: an id begins with the number of its batch, or of a block of singly registered ones,
and the numbers of a product or an account are few. So its devices are found by ranges of ids.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, literal, or_, select, union_all

from nameplate.domain.batch import ROWS_PER_PART, Origin, State
from nameplate.domain.device import MAX_ID, Status, first_id, number_of
from nameplate.store.database import Database
from nameplate.store.devices import COLUMNS, Device
from nameplate.store.schema import batch, block, device, product
from nameplate.store.tallies import Tallies

_NUMBERS_AT_ONCE: Final = 500
# A batch of a file may have devices and be checked again.
_IS_CREATED: Final = or_(
    batch.c.origin == Origin.FILE,
    *(batch.c.state == state for state in (State.CREATE, State.CREATE_SUCCESS, State.CREATE_FAILED)),
)
_OWN: Final = select(product.c.id).where(
    product.c.account_id == bindparam("account_id"), product.c.deleted_at.is_(None)
)
# An expression, so that no planner reads every device of the product, by name, to find those of a few ids or statuses.
_PRODUCT_ID: Final = device.c.product_id + 0
_IS_UNACTIVE: Final = device.c.status == Status.UNACTIVE
# Said in these words, so that every planner sees that the index over the others has them all.
_IS_OTHER: Final = device.c.status != 0
_HAS_STATUS: Final = and_(_IS_OTHER, device.c.status == bindparam("status"))
_WAS_NEVER_ENABLED: Final = and_(_IS_OTHER, device.c.status == Status.DISABLE, device.c.activated_at.is_(None))


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

    def __init__(self, database: Database, tallies: Tallies) -> None:
        self._tallies = tallies
        self._of_product = _Scoped(database, lambda column: column == bindparam("product_id"))
        self._of_account = _Scoped(database, lambda column: column.in_(_OWN))

    def newest(self, scope: Scope, before: int, skip: int, size: int) -> list[Device]:
        """Return up to `size` devices with ids below `before`, after the first `skip`."""
        scoped, values = self._within(scope)
        return scoped.newest(scoped.every, values, before, skip, size)

    def with_status(self, scope: Scope, status: Status, skip: int, size: int) -> list[Device]:
        """Return up to `size` devices with a status, newest first, after the first `skip`."""
        scoped, values = self._within(scope)
        if status is Status.UNACTIVE:
            return scoped.newest(scoped.unactive, values, MAX_ID, skip, size)
        return [Device(*row) for row in scoped.page.rows(**values, status=status, skip=skip, size=size)]

    def count_status(self, scope: Scope, status: Status) -> int:
        """Return how many devices have a status."""
        scoped, values = self._within(scope)
        if status is Status.UNACTIVE:
            return self._count(scope) - _only(scoped.others.row(**values))
        return _only(scoped.with_status.row(**values, status=status))

    def count(self, scope: Scope) -> Counts:
        """Return how many devices there are, are online, and have ever been."""
        scoped, values = self._within(scope)
        return Counts(
            devices=self._count(scope),
            online=self.count_status(scope, Status.ONLINE),
            active=_only(scoped.others.row(**values)) - _only(scoped.never_enabled.row(**values)),
        )

    def _count(self, scope: Scope) -> int:
        if scope.product_id is None:
            return self._tallies.of_account(scope.account_id)
        return self._tallies.of_product(scope.product_id)

    def _within(self, scope: Scope) -> tuple["_Scoped", dict[str, int]]:
        if scope.product_id is None:
            return self._of_account, {"account_id": scope.account_id}
        return self._of_product, {"product_id": scope.product_id}

    def ranges(self, scope: Scope, before: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of ids below `before` that devices may be in, downwards."""
        scoped, values = self._within(scope)
        return scoped.ranges(values, before)


class _Ranged:
    """A page of a range of ids, and how many devices are in it."""

    def __init__(self, database: Database, where: ColumnElement[bool]) -> None:
        self.page = database.prepare(_page(where))
        self.count = database.prepare(_count(where))


class _Scoped:
    """What is asked of a product, or of an account."""

    def __init__(self, database: Database, whose: Callable[[ColumnElement[int]], ColumnElement[bool]]) -> None:
        own = whose(_PRODUCT_ID)
        between = and_(device.c.id.between(bindparam("first"), bindparam("last")), own)
        self.every = _Ranged(database, between)
        self.unactive = _Ranged(database, and_(between, _IS_UNACTIVE))
        self.page = database.prepare(_page(and_(_HAS_STATUS, own)))
        self.with_status = database.prepare(_count(and_(_HAS_STATUS, own)))
        self.others = database.prepare(_count(and_(_IS_OTHER, own)))
        self.never_enabled = database.prepare(_count(and_(_WAS_NEVER_ENABLED, own)))
        self._numbers_below = database.prepare(_numbers(whose))

    def newest(self, read: _Ranged, values: dict[str, int], before: int, skip: int, size: int) -> list[Device]:
        """Return up to `size` devices with ids below `before`, after the first `skip`."""
        found: list[Device] = []
        for first, last in self.ranges(values, before):
            within = {**values, "first": first, "last": min(last, before - 1)}
            rows = read.page.rows(**within, skip=skip, size=size - len(found))
            if skip:
                skip = 0 if rows else skip - _only(read.count.row(**within))
            found += (Device(*row) for row in rows)
            if len(found) == size:
                break
        return found

    def ranges(self, values: dict[str, int], before: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of ids below `before` that devices are in, downwards."""
        low = high = -1
        total = 0
        for number, rows in self._numbers(values, number_of(before - 1)):
            # Neighbouring numbers make one range, but not one of which too much would be skipped.
            total += rows
            if number == low - 1 and total <= ROWS_PER_PART:
                low = number
                continue
            if high >= 0:
                yield first_id(low), first_id(high + 1) - 1
            low = high = number
            total = rows
        if high >= 0:
            yield first_id(low), first_id(high + 1) - 1

    def _numbers(self, values: dict[str, int], most: int) -> Iterator[tuple[int, int]]:
        """Yield the numbers that ids begin with, downwards, and about how many devices are of each."""
        while numbers := self._numbers_below.rows(**values, most=most):
            yield from ((number, rows) for number, rows in numbers)
            most = numbers[-1][0] - 1


def _numbers(whose: Callable[[ColumnElement[int]], ColumnElement[bool]]) -> Select[Any]:
    most: BindParameter[int] = bindparam("most")
    created = select(batch.c.id.label("number"), batch.c.total.label("rows"))
    created = created.where(whose(batch.c.product_id), batch.c.id <= most, _IS_CREATED)
    single = select(block.c.number, literal(ROWS_PER_PART).label("rows"))
    # Before blocks were products' own, several could have one.
    single = single.distinct().where(whose(block.c.product_id), block.c.number <= most)
    numbers = union_all(created, single).subquery()
    return select(numbers.c.number, numbers.c.rows).order_by(numbers.c.number.desc()).limit(_NUMBERS_AT_ONCE)


def _page(where: ColumnElement[bool]) -> Select[Any]:
    found = select(*(device.c[name] for name in COLUMNS)).where(where).order_by(device.c.id.desc())
    return found.limit(bindparam("size")).offset(bindparam("skip"))


def _count(where: ColumnElement[bool]) -> Select[Any]:
    return select(func.count()).select_from(device).where(where)


def _only(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None else int(row[0])
