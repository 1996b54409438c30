"""PostgreSQL databases for tests, an empty registry's each."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from nameplate.store.store import upgrade_schema


class Databases:
    """Makes databases on one server; each is a copy of one whose schema is up to date."""

    def __init__(self, url: str) -> None:
        self._url: Final = make_url(url)
        # Several runs may share a server.
        self._prefix = f"nameplate_{uuid4().hex[:8]}"
        self._numbers = count(1)
        self._names: list[str] = []
        self._template = self._create("template1")
        upgrade_schema(self._of(self._template))

    def new(self) -> str:
        """Make a database and return its URL."""
        return self._of(self._create(self._template))

    def empty(self) -> str:
        """Make a database without a schema and return its URL."""
        return self._of(self._create("template1"))

    @contextmanager
    def one(self) -> Iterator[str]:
        """Make a database; yields its URL, removes it at the end."""
        url = self.new()
        yield url
        self.drop(url)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is using it."""
        name = str(make_url(url).database)
        self._names.remove(name)
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Remove every database."""
        for name in list(self._names):
            self.drop(self._of(name))

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._names.append(name)
        return name

    def _of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement.encode())
