"""Exports: the manifests of those that were delivered."""

from sqlalchemy import bindparam, select

from nameplate.store.database import Database
from nameplate.store.schema import export


class Exports:
    """Manifests by export."""

    def __init__(self, database: Database) -> None:
        self._database = database
        found = select(export.c.manifest).where(
            export.c.id == bindparam("export_id"), export.c.account_id == bindparam("account_id")
        )
        self._find = database.prepare(found)

    def add(self, export_id: str, account_id: int, manifest: str, now: int) -> None:
        """Keep the manifest of an export that was delivered."""
        values = {"id": export_id, "account_id": account_id, "manifest": manifest, "created_at": now}
        with self._database.transaction() as connection:
            connection.execute(export.insert().values(values))

    def find(self, export_id: str, account_id: int) -> str | None:
        """Return the manifest of an account's export, or None."""
        row = self._find.row(export_id=export_id, account_id=account_id)
        return None if row is None else str(row[0])
