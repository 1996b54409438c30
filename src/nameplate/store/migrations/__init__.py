"""The schema's history.

A database that is behind is brought up to date step by step, each in one transaction.
"""

from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

_SCRIPTS: Final = "nameplate.store:migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to a revision of the schema."""
    with engine.begin() as connection:
        command.upgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for these scripts."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    return config
