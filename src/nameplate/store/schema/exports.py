"""Table of exports."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text

from nameplate.store.schema.metadata import metadata

export: Final = Table(
    "export",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Integer, ForeignKey("account.id"), nullable=False),
    Column("manifest", Text, nullable=False, comment="signed, as it is given out"),
    Column("created_at", BigInteger, nullable=False),
    comment="The exports that were delivered to their end.",
)
