"""PostgreSQL keeps the names that were sent as they are: they are read once or twice and deleted."""

from alembic import op

revision = "0007"
down_revision = "0006"

_COLUMNS = ("names", "nicknames", "sns", "secrets", "lines", "sealed", "tags")


def upgrade() -> None:
    """Step to this revision."""
    if op.get_bind().dialect.name != "postgresql":
        return
    # To compress the names of ten thousand devices took a tenth of the time that it takes to create these.
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE part_names ALTER COLUMN {column} SET STORAGE EXTERNAL")
