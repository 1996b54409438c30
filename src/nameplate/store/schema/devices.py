"""Tables of products and devices."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Table, Text, text

from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

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
    Column("deleted_at", BigInteger, comment="its batches stay, its key is never used again"),
    Column(
        "dynamic_registration",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="whether its devices may fetch their secrets",
    ),
    Index(
        "product_name",
        "account_id",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
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
    Column("status_at", BigInteger, comment="when its status last changed"),
    Column("modified_at", BigInteger, comment="when anything of it last changed"),
    Column("sn", Text, comment="imported ones only"),
    Column("secret", LargeBinary, comment="sealed; imported ones only, others' are derived"),
    Index("device_name", "product_id", "name", unique=True),
    # Devices that are being created are not in it, and so pay nothing.
    Index(
        "device_status",
        "status",
        "id",
        "product_id",
        sqlite_where=text("status <> 0"),
        postgresql_where=text("status <> 0"),
    ),
)

block: Final = Table(
    "block",
    metadata,
    Column("product_id", Integer, ForeignKey("product.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    comment="Numbers, beside those of batches, that ids of a product's devices begin with: of ones registered singly.",
)

tally: Final = Table(
    "tally",
    metadata,
    Column("product_id", Integer, ForeignKey("product.id"), primary_key=True, autoincrement=False),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("devices", BigInteger, nullable=False),
    comment="How many devices a product has: the sum over its slots.",
)

certificate: Final = Table(
    "certificate",
    metadata,
    Column("device_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("serial", Text, nullable=False, comment="decimal"),
    Column("certificate", LargeBinary, nullable=False, comment="DER"),
    Column("private_key", LargeBinary, nullable=False, comment="PKCS 8, sealed"),
)
