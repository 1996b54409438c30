"""Brings a database up to date step by step, all in one transaction."""

from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from nameplate.store.database import Database

_SCRIPTS: Final = "nameplate.store:migrations"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7103)")


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision of the schema; of several who do so at once, one does it."""
    with database.transaction() as connection:
        if not database.is_embedded:
            connection.execute(_LOCK)
        command.upgrade(configuration(connection), revision)


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for these scripts."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    return config
