"""Tables of batches and their parts."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from nameplate.domain.batch import Origin, State, Step
from nameplate.domain.file_batch import Policy
from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

_STATES: Final = ", ".join(f"'{state}'" for state in State)
_STEPS: Final = ", ".join(f"'{step}'" for step in Step)
_POLICIES: Final = ", ".join(f"'{policy}'" for policy in Policy)
_COUNTS: Final = (
    ("illegal", "rows that no device may be made of"),
    ("unchanged", "rows whose devices exist as they say"),
    ("conflicts", "rows whose devices exist otherwise"),
    ("created", "rows whose devices it has created"),
    ("updated", "rows whose devices have taken what they say"),
)

batch: Final = Table(
    "batch",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("product_id", Integer, ForeignKey("product.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("origin", SmallInteger, nullable=False, comment="where its names and secrets come from"),
    Column("total", Integer, nullable=False),
    Column(
        "done",
        Integer,
        nullable=False,
        server_default="0",
        comment="rows the present step has been through",
    ),
    Column(
        "refused",
        Integer,
        nullable=False,
        server_default="0",
        comment="rows the present step has refused",
    ),
    Column("created_at", BigInteger, nullable=False),
    Column("moved_at", BigInteger, comment="when its state last changed"),
    Column("cancelled_at", BigInteger),
    Column("is_reading", SmallInteger, nullable=False, server_default="0", comment="files: more rows may come"),
    Column("policy", Text, comment="files: which rows are to be created, once that was said"),
    Column("replaces", SmallInteger, nullable=False, server_default="0", comment="files: conflicts take the file's"),
    *(Column(name, Integer, nullable=False, server_default="0", comment=f"files: {what}") for name, what in _COUNTS),
    CheckConstraint(f"state IN ({_STATES})", name="batch_state"),
    CheckConstraint(
        f"(total > 0 OR (total = 0 AND origin = {Origin.FILE:d})) AND refused >= 0 AND refused <= done "
        "AND done <= total",
        name="batch_counts",
    ),
    CheckConstraint(
        "(state NOT IN ('CHECK_SUCCESS', 'CREATE_SUCCESS') OR refused = 0) AND "
        "(state NOT IN ('CHECK_FAILED', 'CREATE_FAILED') OR refused > 0 OR total = 0 OR cancelled_at IS NOT NULL) AND "
        "(state IN ('CHECK', 'CREATE') OR done = total)",
        name="batch_outcome",
    ),
    CheckConstraint(f"policy IN ({_POLICIES})", name="batch_policy"),
    CheckConstraint(
        f"origin = {Origin.FILE:d} OR (is_reading = 0 AND policy IS NULL AND replaces = 0 AND cancelled_at IS NULL)",
        name="batch_of_file",
    ),
    CheckConstraint("is_reading = 0 OR state = 'CHECK'", name="batch_reading"),
    CheckConstraint("state NOT LIKE 'CREATE%' OR origin <> 3 OR policy IS NOT NULL", name="batch_applied"),
    CheckConstraint(
        "illegal >= 0 AND unchanged >= 0 AND conflicts >= 0 AND created >= 0 AND updated >= 0 AND "
        "illegal + unchanged + conflicts + created + updated <= total",
        name="batch_rows",
    ),
    Index("batch_product", "product_id", "id"),
)

part: Final = Table(
    "part",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column(
        "first",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="ordinal of its first row in the batch",
    ),
    Column("account_id", Integer, nullable=False, server_default="0", comment="its batch's"),
    Column("product_id", Integer, nullable=False, server_default="0", comment="its batch's"),
    Column("rows", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("is_done", SmallInteger, nullable=False, server_default="0"),
    Column("owner", Text, comment="the worker that holds it"),
    Column("leased_until", BigInteger, nullable=False, server_default="0"),
    Column("waiting_since", BigInteger, nullable=False, server_default="0", comment="for its present step"),
    Column("outcomes", LargeBinary, comment="files: a byte for each row; null while none but CREATE or CREATED"),
    Column("failed", Integer, nullable=False, server_default="0", comment="files: rows whose names others have"),
    Column("corrected", Integer, nullable=False, server_default="0", comment="files: rows that others have replaced"),
    CheckConstraint(f"step IN ({_STEPS})", name="part_step"),
    CheckConstraint(
        "(outcomes IS NULL AND failed = 0 AND corrected = 0) OR "
        "(length(outcomes) = rows AND failed >= 0 AND corrected >= 0 AND failed + corrected <= rows)",
        name="part_outcomes",
    ),
    Index(
        "part_waiting",
        "account_id",
        "product_id",
        "batch_id",
        "first",
        sqlite_where=text("is_done = 0"),
        postgresql_where=text("is_done = 0"),
    ),
)

# Apart from `part`, whose row is written five times on a batch's way; with its names in it that is 200 KB each time.
part_names: Final = Table(
    "part_names",
    metadata,
    Column("batch_id", BigInteger, primary_key=True),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("names", LargeBinary, nullable=False, comment="JSON array"),
    Column("nicknames", LargeBinary, comment="JSON array"),
    Column("sns", LargeBinary, comment="JSON array; imports only"),
    Column("secrets", LargeBinary, comment="JSON array, sealed; imports only"),
    Column("lines", LargeBinary, comment="where in the file each row is, 32 bits little-endian; files only"),
    Column("sealed", LargeBinary, comment="secrets, each sealed for its device; files only"),
    Column("tags", LargeBinary, comment="JSON array of objects; files only"),
    ForeignKeyConstraint(["batch_id", "first"], ["part.batch_id", "part.first"]),
    comment="The names that were sent, until their devices are created; none when names are minted.",
)

refusal: Final = Table(
    "refusal",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False, comment="of the row in the batch"),
    Column("name", AnyText, nullable=False),
    Column("nickname", AnyText),
    Column("reason", Text, nullable=False),
    comment="The rows that the last step refused, and why.",
)
