"""What connects: live connections, devices' tokens, topic rules; products whose devices may register themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Step to this revision."""
    op.add_column(
        "product",
        sa.Column(
            "dynamic_registration",
            sa.SmallInteger(),
            nullable=False,
            server_default="0",
            comment="whether its devices may fetch their secrets",
        ),
    )
    op.create_table(
        "connection",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False, comment="the whole of it, as the device sent it"),
        sa.Column("address", sa.Text(), nullable=False, comment="the device's; empty if the broker does not tell"),
        sa.Column(
            "peer", sa.Text(), nullable=False, comment="tells one connection of a client id from the next; may be empty"
        ),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "client_id"),
    )
    op.create_index("connection_client", "connection", ["client_id"])
    op.create_table(
        "device_token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, comment="of the secret that it was given for"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("device_token_device", "device_token", ["device_id"])
    op.create_table(
        "topic_rule",
        sa.Column("product_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="publish or subscribe"),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"]),
        sa.PrimaryKeyConstraint("product_id", "action", "filter"),
    )
