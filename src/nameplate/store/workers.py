"""Workers, and when each last said that it works."""

from typing import Final

from sqlalchemy import bindparam, func, select

from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import worker

_FORGOTTEN_MS: Final = 24 * 3600 * 1000


class Workers:
    """Worker processes by name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = database.prepare(select(func.max(worker.c.seen_at)))
        fresh = select(func.count()).select_from(worker).where(worker.c.seen_at > bindparam("since"))
        self._fresh = database.prepare(fresh)

    def beat(self, name: str, now: int) -> None:
        """Say that a worker works; forget those that have said nothing for a day."""
        with self._database.transaction(durable=False) as connection:
            if not insert_new(connection, worker, {"name": name, "seen_at": now}):
                connection.execute(worker.update().where(worker.c.name == name).values(seen_at=now))
            connection.execute(worker.delete().where(worker.c.seen_at <= now - _FORGOTTEN_MS))

    def leave(self, name: str) -> None:
        """Say that a worker has ended."""
        with self._database.transaction() as connection:
            connection.execute(worker.delete().where(worker.c.name == name))

    def last_seen(self) -> int | None:
        """Return when any worker last said that it works, or None."""
        row = self._seen.row()
        return None if row is None else row[0]

    def count(self, since: int) -> int:
        """Return how many workers have said after `since` that they work."""
        row = self._fresh.row(since=since)
        return 0 if row is None else int(row[0])
