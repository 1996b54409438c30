"""The tables.

Times are milliseconds since 1970 UTC; ids are assigned by the application (see `counters`).
"""

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
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from nameplate.domain.batch import State, Step
from nameplate.store.text import AnyText

metadata: Final = MetaData()
nonce_metadata: Final = MetaData()

_STATES: Final = ", ".join(f"'{state}'" for state in State)
_STEPS: Final = ", ".join(f"'{step}'" for step in Step)

installation: Final = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    comment="Keys of the installation as a whole, sealed under the master key.",
)

counter: Final = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    comment="The last number handed out, by kind.",
)

account: Final = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

access_key: Final = Table(
    "access_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="sealed"),
    Column("token", LargeBinary, comment="sealed; temporary keys only"),
    Column("expires_at", BigInteger, comment="temporary keys only"),
    Column("is_active", SmallInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("(token IS NULL) = (expires_at IS NULL)", name="access_key_token_expires"),
)

product: Final = Table(
    "product",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="sealed"),
    Column(
        "material",
        LargeBinary,
        nullable=False,
        comment="sealed; what its devices' secrets derive from",
    ),
    Column("description", AnyText),
    Column("node_type", SmallInteger, nullable=False),
    Column("commodity", Text, nullable=False),
    Column("data_format", SmallInteger),
    Column("auth_type", Text, nullable=False),
    Column("net_type", Text, nullable=False),
    Column("protocol", Text),
    Column("category", AnyText),
    Column("validation", SmallInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("product_name", "account_id", "name", unique=True),
)

device: Final = Table(
    "device",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("product_id", Integer, ForeignKey("product.id"), nullable=False),
    # Bytes are compared three times as fast as a language's letters.
    Column("name", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("nickname", Text),
    Column("status", SmallInteger, nullable=False, server_default="0"),
    Column("generation", SmallInteger, nullable=False, server_default="0", comment="of its secret"),
    Column("created_at", BigInteger, nullable=False),
    Column("activated_at", BigInteger),
    Column("online_at", BigInteger),
    Index("device_name", "product_id", "name", unique=True),
)

batch: Final = Table(
    "batch",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("product_id", Integer, ForeignKey("product.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("is_named", SmallInteger, nullable=False, comment="0: the names are minted"),
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

client_token: Final = Table(
    "client_token",
    metadata,
    Column("account_id", Integer, ForeignKey("account.id"), primary_key=True),
    Column("token", AnyText, primary_key=True),
    Column("digest", LargeBinary, nullable=False, comment="of the call's action and parameters"),
    Column("answer", BigInteger, nullable=False, comment="the batch or device that the call made"),
    Column("created_at", BigInteger, nullable=False),
)

worker: Final = Table(
    "worker",
    metadata,
    Column("name", Text, primary_key=True, comment="its host and process"),
    Column("seen_at", BigInteger, nullable=False, comment="when it last said that it works"),
)

# In a file of its own beside SQLite's, and with the rest on PostgreSQL.
nonce: Final = Table(
    "nonce",
    nonce_metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("taken_at", Integer, nullable=False, comment="in seconds"),
    sqlite_with_rowid=False,
)
