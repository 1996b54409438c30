"""Everything that is sealed, sealed again under another master key."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Connection, Select, Table, and_, bindparam, or_, select

from nameplate.domain.device import first_id
from nameplate.domain.secrets import MasterKey, pack, unpack
from nameplate.store.batches import part_owner
from nameplate.store.certificates import key_owner
from nameplate.store.database import Database
from nameplate.store.devices import secret_owner
from nameplate.store.installation import PREVIOUS_MASTER_KEY
from nameplate.store.schema import access_key, certificate, device, installation, part_names, product, upload, webhook
from nameplate.store.uploads import key_owner as key_of_upload

_ROWS_AT_ONCE: Final = 10_000
_PARTS_AT_ONCE: Final = 20


class _Sealed(NamedTuple):
    """A column of sealed values, and for what each of them is sealed, given its row's key."""

    table: Table
    column: Column[Any]
    owner: Callable[..., str]
    named_by: Column[Any] | None = None
    """What the owner is made of, if it is not the row's key."""

    rows_at_once: int = _ROWS_AT_ONCE
    again: Callable[..., bytes] | None = None
    """Seals a value that is many, given its row's key; it is asked instead of `owner`."""


def _pack_again(old: MasterKey, new: MasterKey, packed: bytes, batch_id: int, first: int) -> bytes:
    """Seal each of a file's secrets again, for the device that it is for."""
    return pack(
        [
            value and new.seal(old.open_once(value, owner), owner)
            for value, owner in zip(unpack(packed), map(secret_owner, count(first_id(batch_id) + first)), strict=False)
        ]
    )


_SEALED: Final = (
    _Sealed(installation, installation.c.sealed, str),
    _Sealed(access_key, access_key.c.secret, "access-key:{}:secret".format),
    _Sealed(access_key, access_key.c.token, "access-key:{}:token".format),
    _Sealed(product, product.c.secret, "product:{}:secret".format, product.c.key),
    _Sealed(product, product.c.material, "product:{}:material".format, product.c.key),
    _Sealed(device, device.c.secret, secret_owner),
    _Sealed(certificate, certificate.c.private_key, key_owner),
    _Sealed(webhook, webhook.c.secret, "webhook:{}:secret".format),
    _Sealed(part_names, part_names.c.secrets, part_owner, rows_at_once=_PARTS_AT_ONCE),
    _Sealed(part_names, part_names.c.sealed, part_owner, rows_at_once=_PARTS_AT_ONCE, again=_pack_again),
    _Sealed(upload, upload.c.key, key_of_upload),
)


def reseal(database: Database, old: MasterKey, new: MasterKey, previous: bytes) -> int:
    """Seal every sealed value under the new master key, all or none of them, and return how many there are.

    The `previous` key itself is kept, sealed: what a process that was not stopped still seals under it will open.
    Raises WrongMasterKeyError if a value does not open under the old one.
    """
    count = 0
    with database.transaction() as connection:
        connection.execute(installation.delete().where(installation.c.name == PREVIOUS_MASTER_KEY))
        for sealed in _SEALED:
            for rows in _slices(connection, sealed):
                _seal_again(connection, sealed, rows, old, new)
                count += len(rows)
        kept = {"name": PREVIOUS_MASTER_KEY, "sealed": new.seal(previous, PREVIOUS_MASTER_KEY)}
        connection.execute(installation.insert().values(**kept))
    return count


def _slices(connection: Connection, sealed: _Sealed) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows that have a value, some at a time, in the order of their keys."""
    keys = list(sealed.table.primary_key)
    named_by = [] if sealed.named_by is None else [sealed.named_by]
    # A deleted product's are empty.
    found = select(*keys, sealed.column, *named_by).where(sealed.column.is_not(None), sealed.column != b"")
    found = found.order_by(*keys).limit(sealed.rows_at_once)
    rows = [tuple(row) for row in connection.execute(found)]
    while rows:
        yield rows
        rows = [tuple(row) for row in connection.execute(_after(found, keys, rows[-1]))]


def _after(found: Select[Any], keys: list[Column[Any]], last: tuple[Any, ...]) -> Select[Any]:
    first, *rest = keys
    if not rest:
        return found.where(first > last[0])
    return found.where(or_(first > last[0], and_(first == last[0], rest[0] > last[1])))


def _seal_again(
    connection: Connection, sealed: _Sealed, rows: list[tuple[Any, ...]], old: MasterKey, new: MasterKey
) -> None:
    keys = list(sealed.table.primary_key)
    # Whatever another process has written since the row was read stays.
    here = [key == bindparam(f"key_{place}") for place, key in enumerate(keys)]
    update = sealed.table.update().where(*here, sealed.column == bindparam("before"))
    update = update.values({sealed.column.name: bindparam("after")})
    changes = []
    for row in rows:
        key, before = row[: len(keys)], row[len(keys)]
        owner = sealed.owner(*(key if sealed.named_by is None else row[len(keys) + 1 :]))
        if sealed.again is not None:
            after = sealed.again(old, new, before, *key)
        else:
            after = new.seal(old.open(before, owner), owner)
        changes.append({**{f"key_{place}": part for place, part in enumerate(key)}, "before": before, "after": after})
    connection.execute(update, changes)
