"""Rows that may be there already."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_Value = TypeVar("_Value")

_INSERTS: Final[dict[str, Callable[[Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row and return True, or return False if one of its keys is taken."""
    insert = _INSERTS[connection.dialect.name]
    statement = insert(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with values for every column, in the place of those with the same keys."""
    if not rows:
        return
    insert = _INSERTS[connection.dialect.name](table)
    others = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    connection.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=others), rows)


def in_slices(values: Sequence[_Value], size: int = 1_000) -> Iterator[Sequence[_Value]]:
    """Cut values into as many as a statement takes at once."""
    return (values[start : start + size] for start in range(0, len(values), size))
