"""Tables of what connects: live connections, devices' tokens, and topics that a product's devices may use too."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

# A row is written and deleted whenever a device comes and goes; that of the device itself only when its status changes.
connection: Final = Table(
    "connection",
    metadata,
    Column("device_id", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", AnyText, primary_key=True, comment="the whole of it, as the device sent it"),
    Column("address", Text, nullable=False, comment="the device's; empty if the broker does not tell"),
    # Compared by bytes everywhere: some brokers' begin with what their connections have in common.
    Column(
        "peer",
        Text().with_variant(Text(collation="C"), "postgresql"),
        nullable=False,
        comment="tells one connection of a client id from the next; may be empty",
    ),
    Column("since", BigInteger, nullable=False),
    # Some brokers say only which client id has gone, others only which connection.
    Index("connection_client", "client_id"),
    Index("connection_peer", "peer"),
)

device_token: Final = Table(
    "device_token",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("device_id", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False, comment="of the secret that it was given for"),
    Column("expires_at", BigInteger, nullable=False),
    Index("device_token_device", "device_id"),
)

topic_rule: Final = Table(
    "topic_rule",
    metadata,
    Column("product_id", Integer, ForeignKey("product.id"), primary_key=True, autoincrement=False),
    Column("action", Text, primary_key=True, comment="publish or subscribe"),
    Column("filter", Text, primary_key=True),
)
