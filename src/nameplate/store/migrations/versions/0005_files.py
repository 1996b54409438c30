"""Batches that come from files: uploads, findings, outcomes of rows, and states that may be gone back from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_BATCH_COLUMNS = (
    lambda: sa.Column("moved_at", sa.BigInteger(), comment="when its state last changed"),
    lambda: sa.Column("cancelled_at", sa.BigInteger()),
    lambda: _flag("is_reading", "files: more rows may come"),
    lambda: sa.Column("policy", sa.Text(), comment="files: which rows are to be created, once that was said"),
    lambda: _flag("replaces", "files: conflicts take the file's"),
    lambda: _count("illegal", "files: rows that no device may be made of"),
    lambda: _count("unchanged", "files: rows whose devices exist as they say"),
    lambda: _count("conflicts", "files: rows whose devices exist otherwise"),
    lambda: _count("created", "files: rows whose devices it has created"),
    lambda: _count("updated", "files: rows whose devices have taken what they say"),
)
_PART_COLUMNS = (
    lambda: sa.Column(
        "outcomes", sa.LargeBinary(), comment="files: a byte for each row; null while none but CREATE or CREATED"
    ),
    lambda: _count("failed", "files: rows whose names others have"),
    lambda: _count("corrected", "files: rows that others have replaced"),
)
_NAMES_COLUMNS = (
    lambda: sa.Column(
        "lines", sa.LargeBinary(), comment="where in the file each row is, 32 bits little-endian; files only"
    ),
    lambda: sa.Column("sealed", sa.LargeBinary(), comment="secrets, each sealed for its device; files only"),
    lambda: sa.Column("tags", sa.Text(), comment="JSON array of objects; files only"),
)
_STATES = "'CHECK', 'CHECK_SUCCESS', 'CHECK_FAILED', 'CREATE', 'CREATE_SUCCESS', 'CREATE_FAILED'"
_BATCH_CHECKS = {
    "batch_state": f"state IN ({_STATES})",
    "batch_counts": "(total > 0 OR (total = 0 AND origin = 3)) AND refused >= 0 AND refused <= done AND done <= total",
    "batch_outcome": (
        "(state NOT IN ('CHECK_SUCCESS', 'CREATE_SUCCESS') OR refused = 0) AND "
        "(state NOT IN ('CHECK_FAILED', 'CREATE_FAILED') OR refused > 0 OR total = 0 OR cancelled_at IS NOT NULL) AND "
        "(state IN ('CHECK', 'CREATE') OR done = total)"
    ),
    "batch_policy": "policy IN ('all-or-nothing', 'skip-invalid', 'skip-existing')",
    "batch_of_file": ("origin = 3 OR (is_reading = 0 AND policy IS NULL AND replaces = 0 AND cancelled_at IS NULL)"),
    "batch_reading": "is_reading = 0 OR state = 'CHECK'",
    "batch_applied": "state NOT LIKE 'CREATE%' OR origin <> 3 OR policy IS NOT NULL",
    "batch_rows": (
        "illegal >= 0 AND unchanged >= 0 AND conflicts >= 0 AND created >= 0 AND updated >= 0 AND "
        "illegal + unchanged + conflicts + created + updated <= total"
    ),
}
_PART_CHECKS = {
    "part_step": "step IN ('check', 'create', 'undo')",
    "part_outcomes": (
        "(outcomes IS NULL AND failed = 0 AND corrected = 0) OR "
        "(length(outcomes) = rows AND failed >= 0 AND corrected >= 0 AND failed + corrected <= rows)"
    ),
}


def upgrade() -> None:
    """Step to this revision."""
    if op.get_bind().dialect.name == "postgresql":
        _alter()
    else:
        _rebuild()
    _uploads()


def _flag(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger(), server_default="0", nullable=False, comment=comment)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False, comment=comment)


def _alter() -> None:
    for table, columns in (("batch", _BATCH_COLUMNS), ("part", _PART_COLUMNS), ("part_names", _NAMES_COLUMNS)):
        for column in columns:
            op.add_column(table, column())
    for name in ("batch_state", "batch_counts", "batch_outcome"):
        op.drop_constraint(name, "batch")
    op.drop_constraint("part_step", "part")
    for name, condition in _BATCH_CHECKS.items():
        op.create_check_constraint(name, "batch", condition)
    for name, condition in _PART_CHECKS.items():
        op.create_check_constraint(name, "part", condition)
    for name in ("lines", "sealed", "tags"):
        op.execute(f"ALTER TABLE part_names ALTER COLUMN {name} SET STORAGE EXTERNAL")


def _rebuild() -> None:
    """Make tables anew: SQLite changes no constraint.

    Whoever refers to a table that is renamed refers to it still, so all are made anew, and the old ones are dropped in
    an order in which nothing refers to them.
    """
    op.drop_index("batch_product", "batch")
    op.drop_index("part_waiting", "part")
    tables = ("batch", "part", "part_names", "refusal")
    for table in tables:
        op.rename_table(table, f"{table}_before")
    _batch()
    _part()
    for table in tables:
        columns = ", ".join(row[1] for row in op.get_bind().exec_driver_sql(f"PRAGMA table_info({table}_before)"))
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")  # noqa: S608 (our own)
    for table in reversed(tables):
        op.drop_table(f"{table}_before")


def _checks(conditions: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(condition, name=name) for name, condition in conditions.items()]


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        _count("done", ""),
        _count("refused", ""),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        *(column() for column in _BATCH_COLUMNS),
        *_checks(_BATCH_CHECKS),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batch_product", "batch", ["product_id", "id"])


def _part() -> None:
    op.create_table(
        "part",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        _count("account_id", ""),
        _count("product_id", ""),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        _flag("is_done", ""),
        sa.Column("owner", sa.Text()),
        sa.Column("leased_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), server_default="0", nullable=False),
        *(column() for column in _PART_COLUMNS),
        *_checks(_PART_CHECKS),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("batch_id", "first"),
    )
    waiting = sa.text("is_done = 0")
    op.create_index("part_waiting", "part", ["account_id", "product_id", "batch_id", "first"], sqlite_where=waiting)
    op.create_table(
        "part_names",
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("nicknames", sa.Text()),
        sa.Column("sns", sa.Text()),
        sa.Column("secrets", sa.LargeBinary()),
        *(column() for column in _NAMES_COLUMNS),
        sa.ForeignKeyConstraint(["batch_id", "first"], ["part.batch_id", "part.first"]),
        sa.PrimaryKeyConstraint("batch_id", "first"),
    )
    op.create_table(
        "refusal",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("nickname", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("batch_id", "ordinal"),
    )


def _uploads() -> None:
    op.create_table(
        "upload",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="0 is the file, others are corrections"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), comment="in bytes; null until the sender knows"),
        sa.Column(
            "received", sa.BigInteger(), server_default="0", nullable=False, comment="bytes that are on disk, at least"
        ),
        sa.Column("layout", sa.Text(), nullable=False, comment="JSON: what was said of its form, then what was found"),
        sa.Column("key", sa.LargeBinary(), comment="sealed; null once the bytes are deleted"),
        sa.Column("host", sa.Text(), nullable=False, comment="whose disk they are on"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), comment="why it could not be read"),
        sa.Column("policy", sa.Text(), comment="to apply its batch with as soon as the check has ended"),
        sa.Column("replaces", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "first", sa.Integer(), server_default="0", nullable=False, comment="ordinal of its first row in the batch"
        ),
        sa.Column("rows_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "pieces",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="of what its reader says, how many are kept",
        ),
        sa.Column("owner", sa.Text(), comment="the reader that holds it"),
        sa.Column("leased_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.BigInteger(), comment="when its reading began"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('file', 'corrections')", name="upload_kind"),
        sa.CheckConstraint("state IN ('receiving', 'received', 'reading', 'read', 'failed')", name="upload_state"),
        sa.CheckConstraint("received >= 0 AND received <= coalesce(size, received)", name="upload_received"),
        sa.CheckConstraint("owner IS NULL OR state = 'reading'", name="upload_owner"),
        sa.CheckConstraint("(problem IS NULL) = (state <> 'failed')", name="upload_problem"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("batch_id", "number"),
    )
    kept = sa.text("key IS NOT NULL")
    op.create_index("upload_kept", "upload", ["state", "batch_id"], sqlite_where=kept, postgresql_where=kept)
    op.create_table(
        "finding",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False, comment="of the file"),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False, comment="among those of its line"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "ordinal", sa.Integer(), comment="of the row in the batch; null where there is none, as it is illegal"
        ),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), comment="at most 200 characters; never a secret"),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('illegal', 'conflict', 'taken')", name="finding_kind"),
        sa.CheckConstraint("(ordinal IS NULL) = (kind = 'illegal')", name="finding_ordinal"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"]),
        sa.PrimaryKeyConstraint("batch_id", "line", "place"),
        comment="What is wrong with a row of a file, as long as it is.",
    )
