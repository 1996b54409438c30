"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Step to this revision."""
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    counter = op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="The last number handed out, by kind.",
    )
    op.bulk_insert(counter, [{"name": name, "value": 0} for name in ("account", "product", "batch")])
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="Keys of the installation as a whole, sealed under the master key.",
    )
    op.create_table(
        "access_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column("token", sa.LargeBinary(), nullable=True, comment="sealed; temporary keys only"),
        sa.Column("expires_at", sa.BigInteger(), nullable=True, comment="temporary keys only"),
        sa.Column("is_active", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(token IS NULL) = (expires_at IS NULL)", name="access_key_token_expires"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "client_token",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="of the call's action and parameters",
        ),
        sa.Column(
            "answer",
            sa.BigInteger(),
            nullable=False,
            comment="the batch or device that the call made",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("account_id", "token"),
    )
    op.create_table(
        "product",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="sealed"),
        sa.Column(
            "material",
            sa.LargeBinary(),
            nullable=False,
            comment="sealed; what its devices' secrets derive from",
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("node_type", sa.SmallInteger(), nullable=False),
        sa.Column("commodity", sa.Text(), nullable=False),
        sa.Column("data_format", sa.SmallInteger(), nullable=True),
        sa.Column("auth_type", sa.Text(), nullable=False),
        sa.Column("net_type", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("validation", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("product_name", "product", ["account_id", "name"], unique=True)
    op.create_table(
        "batch",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_named", sa.SmallInteger(), nullable=False, comment="0: the names are minted"),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column(
            "done",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="rows the present step has been through",
        ),
        sa.Column(
            "refused",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="rows the present step has refused",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(state NOT IN ('CHECK_SUCCESS', 'CREATE_SUCCESS') OR refused = 0) AND (state NOT IN ('CHECK_FAILED', 'CREATE_FAILED') OR refused > 0) AND (state IN ('CHECK', 'CREATE') OR done = total)",
            name="batch_outcome",
        ),
        sa.CheckConstraint(
            "state IN ('CHECK', 'CHECK_SUCCESS', 'CHECK_FAILED', 'CREATE', 'CREATE_SUCCESS', 'CREATE_FAILED')",
            name="batch_state",
        ),
        sa.CheckConstraint("total > 0 AND refused >= 0 AND refused <= done AND done <= total", name="batch_counts"),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["product.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "device",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("nickname", sa.Text(), nullable=True),
        sa.Column("status", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "generation",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="of its secret",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("online_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["product.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("device_name", "device", ["product_id", "name"], unique=True)
    op.create_table(
        "part",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "first",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="ordinal of its first row in the batch",
        ),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("is_done", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True, comment="the worker that holds it"),
        sa.Column("leased_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("step IN ('check', 'create')", name="part_step"),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batch.id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "first"),
    )
    op.create_index(
        "part_waiting",
        "part",
        ["batch_id", "first"],
        unique=False,
        sqlite_where=sa.text("is_done = 0"),
        postgresql_where=sa.text("is_done = 0"),
    )
    op.create_table(
        "part_names",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("names", sa.Text(), nullable=False, comment="JSON array"),
        sa.Column("nicknames", sa.Text(), nullable=True, comment="JSON array"),
        sa.ForeignKeyConstraint(["batch_id", "first"], ["part.batch_id", "part.first"]),
        sa.PrimaryKeyConstraint("batch_id", "first"),
        comment="The names that were sent, until their devices are created; none when names are minted.",
    )
    op.create_table(
        "refusal",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "ordinal",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="of the row in the batch",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("nickname", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batch.id"],
        ),
        sa.PrimaryKeyConstraint("batch_id", "ordinal"),
        comment="The rows that the last step refused, and why.",
    )
