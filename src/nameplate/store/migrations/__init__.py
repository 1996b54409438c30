"""The schema's history.

A database that is behind is brought up to date step by step, all in one transaction.
"""

from enum import Enum
from functools import cache
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from nameplate.store.database import Database

_SCRIPTS: Final = "nameplate.store:migrations"
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7103)")


class Standing(Enum):
    """How a database's schema compares to this version's."""

    EMPTY = "has no schema yet"
    BEHIND = "is behind"
    CURRENT = "is up to date"
    AHEAD = "was made by a newer version"


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision of the schema; of several who do so at once, one does it."""
    with database.transaction() as connection:
        if not database.is_embedded:
            connection.execute(_LOCK)
        command.upgrade(configuration(connection), revision)


def standing(database: Database) -> Standing:
    """Return how the database's schema compares to this version's."""
    with database.transaction() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        return Standing.EMPTY
    if found == head():
        return Standing.CURRENT
    scripts = ScriptDirectory.from_config(configuration())
    return Standing.BEHIND if found in [script.revision for script in scripts.walk_revisions()] else Standing.AHEAD


@cache
def head() -> str:
    """Return the revision that this version of Nameplate works with."""
    found = ScriptDirectory.from_config(configuration()).get_current_head()
    assert found is not None
    return found


def configuration(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for these scripts."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    return config
