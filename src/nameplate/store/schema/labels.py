"""Tables of what devices are labelled and grouped by."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

tag: Final = Table(
    "tag",
    metadata,
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", AnyText, nullable=False),
    Column("account_id", Integer, nullable=False, comment="its device's"),
    Index("tag_value", "account_id", "key", "value", "device_id"),
)

device_group: Final = Table(
    "device_group",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("key", Text, nullable=False, unique=True, comment="GroupId on the wire"),
    Column("name", Text, nullable=False),
    Column("description", AnyText),
    Column("parent_id", Integer, ForeignKey("device_group.id")),
    Column("created_at", BigInteger, nullable=False),
    Index("device_group_parent", "account_id", "parent_id"),
)

group_member: Final = Table(
    "group_member",
    metadata,
    Column("group_id", Integer, ForeignKey("device_group.id"), primary_key=True, autoincrement=False),
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Index("group_member_device", "device_id"),
)
