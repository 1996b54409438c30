"""Groups of devices, and groups of groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, Text, and_, bindparam, case, func, or_, select

from nameplate.domain.device import Status
from nameplate.domain.labels import (
    DEVICES_PER_GROUP,
    GROUP_LEVELS,
    GROUPS_PER_ACCOUNT,
    GROUPS_PER_DEVICE,
    GROUPS_PER_GROUP,
)
from nameplate.errors import GROUP_NOT_FOUND, INVALID_GROUP
from nameplate.store.database import Database
from nameplate.store.schema import account, device, device_group, group_member
from nameplate.store.tags import hold_device

_COLUMNS: Final = ("id", "account_id", "key", "name", "description", "parent_id", "created_at")


@dataclass(frozen=True, slots=True)
class Group:
    """One group; `key` is its GroupId on the wire."""

    id: int
    account_id: int
    key: str
    name: str
    description: str | None
    parent_id: int | None
    created_at: int


class Member(NamedTuple):
    """A device that is to be in a group, or not."""

    device_id: int
    product_id: int
    name: str


class Added(NamedTuple):
    """What became of devices that were to be added to a group."""

    added: int
    already: int
    in_too_many: int


class Groups:
    """Groups by key, and their devices."""

    def __init__(self, database: Database) -> None:
        self._database = database
        every = select(*(device_group.c[name] for name in _COLUMNS))
        self._find = database.prepare(every.where(device_group.c.key == bindparam("key")))
        chosen = _chosen()
        self._total = database.prepare(select(func.count()).select_from(device_group).where(chosen))
        page = every.where(chosen).order_by(device_group.c.id.desc())
        self._page = database.prepare(page.limit(bindparam("size")).offset(bindparam("skip")))
        mine = every.join(group_member, group_member.c.group_id == device_group.c.id)
        mine = mine.where(group_member.c.device_id == bindparam("device_id")).order_by(device_group.c.id.desc())
        self._of_device = database.prepare(mine)
        members = select(group_member.c.device_id).where(group_member.c.group_id == bindparam("group_id"))
        members = members.order_by(group_member.c.device_id.desc())
        self._members = database.prepare(members.limit(bindparam("size")).offset(bindparam("skip")))
        size = select(func.count()).where(group_member.c.group_id == bindparam("group_id"))
        self._size = database.prepare(size)
        self._count = database.prepare(_counts(group_member.c.group_id == bindparam("group_id")))
        of_product = and_(
            group_member.c.group_id == bindparam("group_id"), device.c.product_id == bindparam("product_id")
        )
        self._count_product = database.prepare(_counts(of_product))

    def add(self, new: Group) -> None:
        """Add a group.

        Raises GROUP_NOT_FOUND if its parent is gone, and INVALID_GROUP if there would be too many groups in it or in
        the account, or too many levels.
        """
        with self._database.transaction() as connection:
            # Whoever else adds a group to the account waits, so that what is counted is true.
            connection.execute(select(account.c.id).where(account.c.id == new.account_id).with_for_update())
            if _count(connection, device_group.c.account_id == new.account_id) >= GROUPS_PER_ACCOUNT:
                raise INVALID_GROUP(where="GroupName", problem=f"there are {GROUPS_PER_ACCOUNT} groups already")
            if new.parent_id is not None:
                _check_parent(connection, new.parent_id)
            connection.execute(device_group.insert().values(**{name: getattr(new, name) for name in _COLUMNS}))

    def find(self, key: str) -> Group | None:
        """Return the group with this key, or None."""
        row = self._find.row(key=key)
        return None if row is None else Group(*row)

    def describe(self, group: Group, description: str | None) -> bool:
        """Give a group another description; False if it is gone."""
        change = device_group.update().where(device_group.c.id == group.id).values(description=description)
        with self._database.transaction() as connection:
            return connection.execute(change).rowcount == 1

    def delete(self, group: Group) -> bool:
        """Delete a group, not its devices; False if it is gone.

        Raises INVALID_GROUP if there are groups in it.
        """
        with self._database.transaction() as connection:
            _hold(connection, group.id)
            if _count(connection, device_group.c.parent_id == group.id):
                raise INVALID_GROUP(where="GroupId", problem="there are groups in it; delete them first")
            connection.execute(group_member.delete().where(group_member.c.group_id == group.id))
            return connection.execute(device_group.delete().where(device_group.c.id == group.id)).rowcount == 1

    def page(
        self, account_id: int, name: str | None, parent_id: int | None, skip: int, size: int
    ) -> tuple[int, list[Group]]:
        """Return how many groups there are of this name and in this group, and one page of them, newest first."""
        values = {"account_id": account_id, "name": name or "", "parent_id": parent_id or 0}
        row = self._total.row(**values)
        page = self._page.rows(**values, skip=skip, size=size)
        return 0 if row is None else int(row[0]), [Group(*row) for row in page]

    def of_device(self, device_id: int) -> list[Group]:
        """Return the groups that a device is in, newest first."""
        return [Group(*row) for row in self._of_device.rows(device_id=device_id)]

    def members(self, group: Group, skip: int, size: int) -> list[int]:
        """Return the ids of up to `size` of a group's devices, newest first, after the first `skip`."""
        return [number for (number,) in self._members.rows(group_id=group.id, skip=skip, size=size)]

    def size(self, group: Group) -> int:
        """Return how many devices are in a group."""
        row = self._size.row(group_id=group.id)
        return 0 if row is None else int(row[0])

    def count(self, group: Group, product_id: int | None = None) -> tuple[int, int, int]:
        """Return how many devices of a group, and of a product, there are, are connected, and have ever been."""
        if product_id is None:
            row = self._count.row(group_id=group.id)
        else:
            row = self._count_product.row(group_id=group.id, product_id=product_id)
        assert row is not None
        devices, online, active = row
        return devices, online or 0, active or 0

    def add_members(self, group: Group, members: Sequence[Member]) -> Added:
        """Add devices to a group; those that are gone are left out.

        Raises GROUP_NOT_FOUND, and INVALID_GROUP if the group would have too many.
        """
        added = already = in_too_many = 0
        with self._database.transaction() as connection:
            if not _hold(connection, group.id):
                raise GROUP_NOT_FOUND(where="GroupId")
            room = DEVICES_PER_GROUP - _count_members(connection, group_member.c.group_id == group.id)
            # In one order, so that two such calls cannot wait for each other.
            for member in sorted(members):
                if not hold_device(connection, *member):
                    continue
                its = select(group_member.c.group_id).where(group_member.c.device_id == member.device_id)
                groups = set(connection.execute(its).scalars())
                if group.id in groups:
                    already += 1
                elif len(groups) >= GROUPS_PER_DEVICE:
                    in_too_many += 1
                elif added >= room:
                    raise INVALID_GROUP(where="GroupId", problem=f"a group has at most {DEVICES_PER_GROUP} devices")
                else:
                    connection.execute(group_member.insert().values(group_id=group.id, device_id=member.device_id))
                    added += 1
        return Added(added, already, in_too_many)

    def remove_members(self, group: Group, members: Sequence[Member]) -> int:
        """Take devices out of a group, and return how many were in it."""
        numbers = [member.device_id for member in members]
        chosen = and_(group_member.c.group_id == group.id, group_member.c.device_id.in_(numbers))
        with self._database.transaction() as connection:
            return connection.execute(group_member.delete().where(chosen)).rowcount

    def forget(self, connection: Connection, device_id: int) -> None:
        """Take a device that is being deleted out of every group."""
        connection.execute(group_member.delete().where(group_member.c.device_id == device_id))


def _chosen() -> ColumnElement[bool]:
    name, parent_id = bindparam("name", type_=Text), bindparam("parent_id", type_=Integer)
    return and_(
        device_group.c.account_id == bindparam("account_id"),
        or_(name == "", device_group.c.name == name),
        or_(parent_id == 0, device_group.c.parent_id == parent_id),
    )


def _hold(connection: Connection, group_id: int) -> bool:
    """Keep others from changing a group until the transaction ends; False if it is gone."""
    held = select(device_group.c.id).where(device_group.c.id == group_id).with_for_update()
    return connection.execute(held).first() is not None


def _check_parent(connection: Connection, parent_id: int) -> None:
    levels, above = 1, parent_id
    if not _hold(connection, parent_id):
        raise GROUP_NOT_FOUND(where="SuperGroupId")
    while above is not None:
        levels += 1
        above = connection.execute(select(device_group.c.parent_id).where(device_group.c.id == above)).scalar_one()
    if levels > GROUP_LEVELS:
        raise INVALID_GROUP(where="SuperGroupId", problem=f"groups are nested {GROUP_LEVELS} levels deep at most")
    if _count(connection, device_group.c.parent_id == parent_id) >= GROUPS_PER_GROUP:
        raise INVALID_GROUP(where="SuperGroupId", problem=f"there are {GROUPS_PER_GROUP} groups in it already")


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    found: int = connection.execute(select(func.count()).select_from(device_group).where(where)).scalar_one()
    return found


def _count_members(connection: Connection, where: ColumnElement[bool]) -> int:
    found: int = connection.execute(select(func.count()).select_from(group_member).where(where)).scalar_one()
    return found


def _counts(where: ColumnElement[bool]) -> Any:  # noqa: ANN401 (three columns)
    has_connected = or_(
        device.c.status == Status.ONLINE,
        device.c.status == Status.OFFLINE,
        and_(device.c.status == Status.DISABLE, device.c.activated_at.is_not(None)),
    )
    counted = select(
        func.count(),
        func.sum(case((device.c.status == Status.ONLINE, 1), else_=0)),
        func.sum(case((has_connected, 1), else_=0)),
    )
    return counted.select_from(group_member).join(device, device.c.id == group_member.c.device_id).where(where)
