"""Devices of a file's rows beside their creation: labelled, given other content, deleted again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from nameplate.store.database import ConflictError, Database
from nameplate.store.rows import in_slices
from nameplate.store.schema import certificate, device, group_member, tag

_COLUMNS: Final = ("nickname", "sn", "secret")
_UPDATE: Final = (
    device.update()
    .where(
        device.c.product_id == bindparam("of_product"),
        device.c.name == bindparam("of_name"),
        device.c.id == bindparam("of_id"),
    )
    .values(
        {name: func.coalesce(bindparam(f"new_{name}", type_=device.c[name].type), device.c[name]) for name in _COLUMNS}
    )
)
_UNLABEL: Final = tag.delete().where(tag.c.device_id == bindparam("of_id"))
_LOW, _HIGH = bindparam("low", type_=BigInteger), bindparam("high", type_=BigInteger)
_BESIDE: Final = [
    table.delete().where(table.c.device_id.between(_LOW, _HIGH)) for table in (tag, group_member, certificate)
]
_DELETE: Final = device.delete().where(device.c.id.between(_LOW, _HIGH))


@dataclass(frozen=True, slots=True)
class Content:
    """What a device that exists is given; None leaves what there is."""

    of_product: int
    of_name: str
    of_id: int
    new_nickname: str | None
    new_sn: str | None
    new_secret: bytes | None


def read_tags(database: Database, ids: Sequence[int]) -> Mapping[int, Mapping[str, str]]:
    """Return the tags of devices."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    with database.transaction() as connection:
        for some in in_slices(ids):
            rows = connection.execute(select(tag.c.device_id, tag.c.key, tag.c.value).where(tag.c.device_id.in_(some)))
            for device_id, key, value in rows:
                found[device_id][key] = value
    return found


def add_tags(connection: Connection, account_id: int, tags: Mapping[int, Mapping[str, str]]) -> None:
    """Label devices that have no tags."""
    rows = [
        {"device_id": device_id, "key": key, "value": value, "account_id": account_id}
        for device_id, labels in tags.items()
        for key, value in labels.items()
    ]
    if rows:
        connection.execute(tag.insert(), rows)


def replace_tags(connection: Connection, account_id: int, tags: Mapping[int, Mapping[str, str]]) -> None:
    """Label devices with these tags and no others."""
    if tags:
        connection.execute(_UNLABEL, [{"of_id": device_id} for device_id in tags])
        add_tags(connection, account_id, tags)


def update_devices(connection: Connection, contents: Sequence[Content], now: int) -> None:
    """Give devices other content.

    Raises ConflictError, so that they are looked for once more, if one of them is gone.
    """
    if contents:
        # In one order, so that two such updates cannot wait for each other.
        ordered = sorted(contents, key=lambda content: content.of_id)
        values = [{**asdict(content), "modified_at": now} for content in ordered]
        if connection.execute(_UPDATE, values).rowcount != len(values):
            raise ConflictError


def delete_between(connection: Connection, first: int, last: int) -> int:
    """Delete the devices with ids from `first` to `last`, and what is kept beside them; returns how many there were."""
    span = {"low": first, "high": last}
    for beside in _BESIDE:
        connection.execute(beside, span)
    return connection.execute(_DELETE, span).rowcount
