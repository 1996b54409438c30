"""Parts that are claimed in turn, workers that say they work, and nonces that every server shares."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Step to this revision."""
    for name in ("account_id", "product_id"):
        # SQLite fills a new column only by a default.
        op.add_column("part", sa.Column(name, sa.Integer(), server_default="0", nullable=False, comment="its batch's"))
        op.execute(f"UPDATE part SET {name} = (SELECT {name} FROM batch WHERE id = part.batch_id)")  # noqa: S608 (our own)
    waiting_since = sa.Column(
        "waiting_since", sa.BigInteger(), server_default="0", nullable=False, comment="for its present step"
    )
    op.add_column("part", waiting_since)
    op.execute("UPDATE part SET waiting_since = (SELECT created_at FROM batch WHERE batch.id = part.batch_id)")
    op.drop_index("part_waiting", "part")
    op.create_index(
        "part_waiting",
        "part",
        ["account_id", "product_id", "batch_id", "first"],
        unique=False,
        sqlite_where=sa.text("is_done = 0"),
        postgresql_where=sa.text("is_done = 0"),
    )
    op.create_table(
        "worker",
        sa.Column("name", sa.Text(), nullable=False, comment="its host and process"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="when it last said that it works"),
        sa.PrimaryKeyConstraint("name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "nonce",
            sa.Column("digest", sa.LargeBinary(), nullable=False),
            sa.Column("taken_at", sa.Integer(), nullable=False, comment="in seconds"),
            sa.PrimaryKeyConstraint("digest"),
        )
        # Looked up for each device it cost more than the device; who adds devices locks their product instead.
        op.drop_constraint("device_product_id_fkey", "device", type_="foreignkey")
        # Names are read back within a second and deleted; compressing 200 KB takes longer than writing them.
        op.execute("ALTER TABLE part_names ALTER COLUMN names SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE part_names ALTER COLUMN nicknames SET STORAGE EXTERNAL")
