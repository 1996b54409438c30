"""Tables of the installation: its keys and counters, who may call, who works."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, LargeBinary, SmallInteger, Table, Text

from nameplate.store.schema.metadata import metadata, nonce_metadata
from nameplate.store.text import AnyText

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
