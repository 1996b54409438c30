"""Connections are found by what a broker knows them by."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Step to this revision."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute('ALTER TABLE connection ALTER COLUMN peer TYPE text COLLATE "C"')
    op.create_index("connection_peer", "connection", ["peer"])
