"""The schema's history, and how a database compares to it.

A step is a file whose name begins with its revision. Alembic takes them, see `steps`; to see that there is nothing to
do, as at nearly every start, takes a look at these names.
"""

from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import Select, column, inspect, select, table

from nameplate.store.database import Database

_DIGITS: Final = 4
_VERSIONS: Final = "alembic_version"
PRESENT: Final[Select[Any]] = select(column("version_num")).select_from(table(_VERSIONS))
"""The revision of a database that has a schema."""


class Standing(Enum):
    """How a database's schema compares to this version's."""

    EMPTY = "has no schema yet"
    BEHIND = "is behind"
    CURRENT = "is up to date"
    AHEAD = "was made by a newer version"


@cache
def revisions() -> list[str]:
    """Return the revisions that this version of Nameplate knows, the oldest first."""
    names = (step.name for step in files(__name__).joinpath("versions").iterdir())
    return sorted(name[:_DIGITS] for name in names if name[:_DIGITS].isdecimal())


def standing(database: Database) -> Standing:
    """Return how the database's schema compares to this version's."""
    with database.transaction() as connection:
        known = inspect(connection).has_table(_VERSIONS)
        found = connection.execute(PRESENT).scalar() if known else None
    if found is None:
        return Standing.EMPTY
    if found == revisions()[-1]:
        return Standing.CURRENT
    return Standing.BEHIND if found in revisions() else Standing.AHEAD
