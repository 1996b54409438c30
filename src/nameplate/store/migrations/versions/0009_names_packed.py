"""The names that were sent are compressed; those that are there already stay as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COLUMNS = ("names", "nicknames", "sns", "tags")


def upgrade() -> None:
    """Step to this revision."""
    if op.get_bind().dialect.name == "postgresql":
        for column in _COLUMNS:
            op.execute(
                f"ALTER TABLE part_names ALTER COLUMN {column} TYPE bytea USING convert_to({column}, 'UTF8'), "
                f"ALTER COLUMN {column} SET STORAGE EXTERNAL"
            )
        return
    with op.batch_alter_table("part_names") as table:
        for column in _COLUMNS:
            table.alter_column(column, type_=sa.LargeBinary())
