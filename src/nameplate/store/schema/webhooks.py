"""Tables of webhooks, and what they are to be told."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

webhook: Final = Table(
    "webhook",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="sealed"),
    Column("is_active", SmallInteger, nullable=False, server_default="1"),
    Column("created_at", BigInteger, nullable=False),
    Index("webhook_account", "account_id", "id"),
)

webhook_delivery: Final = Table(
    "webhook_delivery",
    metadata,
    Column("id", Text, primary_key=True, comment="webhook-id: the same for every attempt"),
    Column("webhook_id", Integer, ForeignKey("webhook.id"), nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", AnyText, nullable=False, comment="JSON, as it is sent"),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, comment="not to be attempted before"),
    Column("owner", Text, comment="who is attempting it"),
    Column("attempted_at", BigInteger),
    Column("status", Integer, comment="HTTP status of the last attempt"),
    Column("problem", Text, comment="of the last attempt"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="webhook_delivery_state"),
    Index(
        "webhook_delivery_due",
        "webhook_id",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("webhook_delivery_page", "webhook_id", "created_at", "id"),
    comment="What webhooks are to be told; written in the transaction that makes it true.",
)
