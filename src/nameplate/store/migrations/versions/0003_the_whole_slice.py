"""Imports, certificates, tags, groups; products that are deleted, devices listed by product and by status."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Step to this revision."""
    op.add_column(
        "product", sa.Column("deleted_at", sa.BigInteger(), comment="its batches stay, its key is never used again")
    )
    op.drop_index("product_name", "product")
    _index("product_name", "product", ["account_id", "name"], where="deleted_at IS NULL", unique=True)

    op.add_column("device", sa.Column("status_at", sa.BigInteger(), comment="when its status last changed"))
    op.add_column("device", sa.Column("modified_at", sa.BigInteger(), comment="when anything of it last changed"))
    op.add_column("device", sa.Column("sn", sa.Text(), comment="imported ones only"))
    op.add_column(
        "device", sa.Column("secret", sa.LargeBinary(), comment="sealed; imported ones only, others' are derived")
    )
    _index("device_status", "device", ["status", "id", "product_id"], where="status <> 0")

    op.execute("ALTER TABLE batch RENAME COLUMN is_named TO origin")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("COMMENT ON COLUMN batch.origin IS 'where its names and secrets come from'")
    op.create_index("batch_product", "batch", ["product_id", "id"])
    op.add_column("part_names", sa.Column("sns", sa.Text(), comment="JSON array; imports only"))
    op.add_column("part_names", sa.Column("secrets", sa.LargeBinary(), comment="JSON array, sealed; imports only"))

    op.create_table(
        "block",
        sa.Column("product_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"]),
        sa.PrimaryKeyConstraint("product_id", "number"),
        comment="Numbers, beside those of batches, that ids of a product's devices begin with: of ones registered singly.",
    )
    op.execute(
        "INSERT INTO block (product_id, number) "
        "SELECT product_id, number FROM (SELECT DISTINCT product_id, id >> 24 AS number FROM device) AS used "
        "WHERE number NOT IN (SELECT id FROM batch)"
    )
    op.create_table(
        "tally",
        sa.Column("product_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("devices", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"]),
        sa.PrimaryKeyConstraint("product_id", "slot"),
        comment="How many devices a product has: the sum over its slots.",
    )
    op.execute(
        "INSERT INTO tally (product_id, slot, devices) SELECT product_id, 0, count(*) FROM device GROUP BY product_id"
    )
    op.create_table(
        "certificate",
        sa.Column(
            "device_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("serial", sa.Text(), nullable=False, comment="decimal"),
        sa.Column("certificate", sa.LargeBinary(), nullable=False, comment="DER"),
        sa.Column("private_key", sa.LargeBinary(), nullable=False, comment="PKCS 8, sealed"),
        sa.PrimaryKeyConstraint("device_id"),
    )
    _labels()


def _labels() -> None:
    op.create_table(
        "tag",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False, comment="its device's"),
        sa.PrimaryKeyConstraint("device_id", "key"),
    )
    op.create_index("tag_value", "tag", ["account_id", "key", "value", "device_id"])
    counter = sa.table("counter", sa.column("name"), sa.column("value"))
    op.bulk_insert(counter, [{"name": "group", "value": 0}])
    op.create_table(
        "device_group",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="GroupId on the wire"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("parent_id", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["parent_id"], ["device_group.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("device_group_parent", "device_group", ["account_id", "parent_id"])
    op.create_table(
        "group_member",
        sa.Column("group_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["device_group.id"]),
        sa.PrimaryKeyConstraint("group_id", "device_id"),
    )
    op.create_index("group_member_device", "group_member", ["device_id"])


def _index(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
