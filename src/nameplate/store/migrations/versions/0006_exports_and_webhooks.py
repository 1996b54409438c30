"""Exports that were delivered, webhooks and what they are to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Step to this revision."""
    op.create_table(
        "export",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False, comment="signed, as it is given out"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        comment="The exports that were delivered to their end.",
    )
    counter = sa.table("counter", sa.column("name"), sa.column("value"))
    op.bulk_insert(counter, [{"name": "webhook", "value": 0}])
    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("is_active", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhook_account", "webhook", ["account_id", "id"])
    _deliveries()


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Text(), nullable=False, comment="webhook-id: the same for every attempt"),
        sa.Column("webhook_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False, comment="JSON, as it is sent"),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="not to be attempted before"),
        sa.Column("owner", sa.Text(), comment="who is attempting it"),
        sa.Column("attempted_at", sa.BigInteger()),
        sa.Column("status", sa.Integer(), comment="HTTP status of the last attempt"),
        sa.Column("problem", sa.Text(), comment="of the last attempt"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="webhook_delivery_state"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"]),
        sa.PrimaryKeyConstraint("id"),
        comment="What webhooks are to be told; written in the transaction that makes it true.",
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "webhook_delivery_due",
        "webhook_delivery",
        ["webhook_id", "due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("webhook_delivery_page", "webhook_delivery", ["webhook_id", "created_at", "id"])
