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

from nameplate.domain.batch import State, Step
from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

_STATES: Final = ", ".join(f"'{state}'" for state in State)
_STEPS: Final = ", ".join(f"'{step}'" for step in Step)

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
    CheckConstraint(f"state IN ({_STATES})", name="batch_state"),
    CheckConstraint("total > 0 AND refused >= 0 AND refused <= done AND done <= total", name="batch_counts"),
    CheckConstraint(
        "(state NOT IN ('CHECK_SUCCESS', 'CREATE_SUCCESS') OR refused = 0) AND "
        "(state NOT IN ('CHECK_FAILED', 'CREATE_FAILED') OR refused > 0) AND "
        "(state IN ('CHECK', 'CREATE') OR done = total)",
        name="batch_outcome",
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
    CheckConstraint(f"step IN ({_STEPS})", name="part_step"),
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
    Column("names", Text, nullable=False, comment="JSON array"),
    Column("nicknames", Text, comment="JSON array"),
    Column("sns", Text, comment="JSON array; imports only"),
    Column("secrets", LargeBinary, comment="JSON array, sealed; imports only"),
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
