"""Tags: what devices are labelled with."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select

from nameplate.domain.labels import TAGS_PER_DEVICE, TAGS_PER_QUERY
from nameplate.errors import TOO_MANY_PROPS
from nameplate.store.database import Database
from nameplate.store.schema import device, tag

_EXISTS: Final = (
    select(device.c.id)
    .where(
        device.c.product_id == bindparam("product_id"),
        device.c.name == bindparam("name"),
        device.c.id == bindparam("device_id"),
    )
    .with_for_update()
)


def hold_device(connection: Connection, device_id: int, product_id: int, name: str) -> bool:
    """Keep a device from being deleted or labelled by others until the transaction ends; False if it is gone."""
    values = {"device_id": device_id, "product_id": product_id, "name": name}
    return connection.execute(_EXISTS, values).first() is not None


class Tags:
    """Tags by device, and devices by one tag to `TAGS_PER_QUERY`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        of_device = select(tag.c.key, tag.c.value).where(tag.c.device_id == bindparam("device_id"))
        self._of_device = database.prepare(of_device.order_by(tag.c.key))
        queries = [_tagged(count) for count in range(1, TAGS_PER_QUERY + 1)]
        self._counts = [database.prepare(select(func.count()).select_from(query.subquery())) for query in queries]
        self._pages = [database.prepare(_page(query)) for query in queries]
        between = select(tag.c.device_id, tag.c.key, tag.c.value)
        between = between.where(tag.c.device_id >= bindparam("first"), tag.c.device_id <= bindparam("last"))
        self._between = database.prepare(between.order_by(tag.c.device_id, tag.c.key))

    def of(self, device_id: int) -> dict[str, str]:
        """Return a device's tags, in the order of their keys."""
        return dict(self._of_device.rows(device_id=device_id))

    def between(self, first: int, last: int) -> dict[int, dict[str, str]]:
        """Return the tags of the devices with ids from `first` to `last` that have some."""
        found: dict[int, dict[str, str]] = {}
        for device_id, key, value in self._between.rows(first=first, last=last):
            found.setdefault(device_id, {})[key] = value
        return found

    def save(self, account_id: int, device_id: int, product_id: int, name: str, tags: Mapping[str, str]) -> bool:
        """Add tags to a device or give them other values; False if the device is gone.

        Raises TOO_MANY_PROPS if it would have too many.
        """
        with self._database.transaction() as connection:
            if not hold_device(connection, device_id, product_id, name):
                return False
            here = tag.c.device_id == device_id
            kept = set(connection.execute(select(tag.c.key).where(here)).scalars()).difference(tags)
            if len(kept) + len(tags) > TAGS_PER_DEVICE:
                raise TOO_MANY_PROPS(most=TAGS_PER_DEVICE)
            connection.execute(tag.delete().where(here, tag.c.key.in_(tags)))
            rows = [
                {"device_id": device_id, "key": key, "value": value, "account_id": account_id}
                for key, value in tags.items()
            ]
            connection.execute(tag.insert(), rows)
        return True

    def remove(self, device_id: int, key: str) -> None:
        """Take a tag away, if it is there."""
        with self._database.transaction() as connection:
            connection.execute(tag.delete().where(tag.c.device_id == device_id, tag.c.key == key))

    def count(self, account_id: int, tags: Sequence[tuple[str, str]]) -> int:
        """Return how many of an account's devices have all of these tags."""
        row = self._counts[len(tags) - 1].row(**_wanted(account_id, tags))
        return 0 if row is None else int(row[0])

    def find(self, account_id: int, tags: Sequence[tuple[str, str]], skip: int, size: int) -> list[int]:
        """Return the ids of up to `size` devices that have all of these tags, newest first, after the first `skip`."""
        rows = self._pages[len(tags) - 1].rows(**_wanted(account_id, tags), skip=skip, size=size)
        return [number for (number,) in rows]

    def forget(self, connection: Connection, device_id: int) -> None:
        """Take every tag away from a device that is being deleted."""
        connection.execute(tag.delete().where(tag.c.device_id == device_id))


def _tagged(count: int) -> Select[Any]:
    """Return the query for the devices that have `count` tags."""
    first, *more = [tag.alias() for _ in range(count)]
    found = select(first.c.device_id).where(*_is(first, 0))
    for place, other in enumerate(more, 1):
        found = found.join(other, other.c.device_id == first.c.device_id).where(*_is(other, place))
    return found


def _is(one: Any, place: int) -> tuple[Any, ...]:  # noqa: ANN401 (an alias of the table)
    is_own = one.c.account_id == bindparam("account_id")
    return is_own, one.c.key == bindparam(f"key_{place}"), one.c.value == bindparam(f"value_{place}")


def _page(found: Select[Any]) -> Select[Any]:
    newest = found.order_by(found.selected_columns[0].desc())
    return newest.limit(bindparam("size")).offset(bindparam("skip"))


def _wanted(account_id: int, tags: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what a query for some tags is bound to."""
    values: dict[str, Any] = {"account_id": account_id}
    for place, (key, value) in enumerate(tags):
        values |= {f"key_{place}": key, f"value_{place}": value}
    return values
