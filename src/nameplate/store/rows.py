"""One row at a time, unless it is there already."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: Final[dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row and return True, or return False if one of its keys is taken."""
    insert = _INSERTS[connection.dialect.name]
    statement = insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1
