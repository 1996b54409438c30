"""The engines that a registry runs on: SQLite embedded, or a PostgreSQL server."""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from nameplate.store.database import Database, UnusableDatabaseError
from nameplate.store.engines.postgresql import PostgresDatabase
from nameplate.store.engines.sqlite import SqliteDatabase

__all__ = ["PostgresDatabase", "SqliteDatabase", "open_database"]


def open_database(url: str) -> Database:
    """Return the database at a URL.

    Raises UnusableDatabaseError if it is none that Nameplate runs on.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        message = "The database's URL cannot be read. Give postgresql://user@host/name or sqlite:////path/to/file."
        raise UnusableDatabaseError(message) from None
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return SqliteDatabase(parsed.database)
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return PostgresDatabase(parsed)
    message = (
        f"Nameplate cannot use {parsed.drivername!r}: it runs on PostgreSQL (postgresql://user@host/name) "
        "or on a SQLite file (sqlite:////path/to/file)."
    )
    raise UnusableDatabaseError(message)
