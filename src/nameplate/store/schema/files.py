"""Tables of batches that come from files: the uploads, and what is wrong with their rows."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from nameplate.domain.file_batch import FindingKind, UploadKind, UploadState
from nameplate.store.schema.metadata import metadata
from nameplate.store.text import AnyText

_KINDS: Final = ", ".join(f"'{kind}'" for kind in UploadKind)
_STATES: Final = ", ".join(f"'{state}'" for state in UploadState)
_FINDINGS: Final = ", ".join(f"'{kind}'" for kind in FindingKind)

upload: Final = Table(
    "upload",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="0 is the file, others are corrections"),
    Column("kind", Text, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("size", BigInteger, comment="in bytes; null until the sender knows"),
    Column("received", BigInteger, nullable=False, server_default="0", comment="bytes that are on disk, at least"),
    Column("layout", AnyText, nullable=False, comment="JSON: what was said of its form, then what was found"),
    Column("key", LargeBinary, comment="sealed; null once the bytes are deleted"),
    Column("host", Text, nullable=False, comment="whose disk they are on"),
    Column("state", Text, nullable=False),
    Column("problem", AnyText, comment="why it could not be read"),
    Column("policy", Text, comment="to apply its batch with as soon as the check has ended"),
    Column("replaces", SmallInteger, nullable=False, server_default="0"),
    Column("first", Integer, nullable=False, server_default="0", comment="ordinal of its first row in the batch"),
    Column("rows_read", BigInteger, nullable=False, server_default="0"),
    Column("pieces", Integer, nullable=False, server_default="0", comment="of what its reader says, how many are kept"),
    Column("owner", Text, comment="the reader that holds it"),
    Column("leased_until", BigInteger, nullable=False, server_default="0"),
    Column("started_at", BigInteger, comment="when its reading began"),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint(f"kind IN ({_KINDS})", name="upload_kind"),
    CheckConstraint(f"state IN ({_STATES})", name="upload_state"),
    CheckConstraint("received >= 0 AND received <= coalesce(size, received)", name="upload_received"),
    CheckConstraint("owner IS NULL OR state = 'reading'", name="upload_owner"),
    CheckConstraint("(problem IS NULL) = (state <> 'failed')", name="upload_problem"),
    # What is read or kept is few among all that ever was.
    Index(
        "upload_kept",
        "state",
        "batch_id",
        sqlite_where=text("key IS NOT NULL"),
        postgresql_where=text("key IS NOT NULL"),
    ),
)

finding: Final = Table(
    "finding",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False, comment="of the file"),
    Column("place", Integer, primary_key=True, autoincrement=False, comment="among those of its line"),
    Column("kind", Text, nullable=False),
    Column("ordinal", Integer, comment="of the row in the batch; null where there is none, as it is illegal"),
    Column("column", AnyText, nullable=False),
    Column("value", AnyText, comment="at most 200 characters; never a secret"),
    Column("problem", AnyText, nullable=False),
    Column("fix", AnyText, nullable=False),
    CheckConstraint(f"kind IN ({_FINDINGS})", name="finding_kind"),
    CheckConstraint("(ordinal IS NULL) = (kind = 'illegal')", name="finding_ordinal"),
    comment="What is wrong with a row of a file, as long as it is.",
)
