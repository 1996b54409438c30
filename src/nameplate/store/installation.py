"""Keys of the installation as a whole, sealed under its master key."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, select

from nameplate.domain.secrets import MasterKey, mint_key
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import installation

PREVIOUS_MASTER_KEY: Final = "previous-master-key"

_IOT_IDS: Final = "iot-id-key"


class Installation:
    """What makes one installation's ids, secrets and certificates its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_new(self) -> bool:
        """Whether nothing has been sealed yet, so that any master key will do."""
        with self._database.transaction() as connection:
            return connection.execute(select(installation.c.name)).first() is None

    def iot_id_key(self, master: MasterKey) -> bytes:
        """Return the key of this installation's IotIds, minted at the first start.

        Raises WrongMasterKeyError.
        """
        return self.kept(master, _IOT_IDS, mint_key)

    def kept(self, master: MasterKey, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the value of this name, made and kept if there is none; every process gets the same one.

        Raises WrongMasterKeyError.
        """
        with self._database.transaction() as connection:
            sealed = _find(connection, name)
            if sealed is None:
                insert_new(connection, installation, {"name": name, "sealed": master.seal(make(), name)})
                sealed = _find(connection, name)
        assert sealed is not None
        return master.open(sealed, name)

    def previous_master_key(self, master: MasterKey) -> bytes | None:
        """Return the master key that this one has replaced, or None.

        Raises WrongMasterKeyError.
        """
        with self._database.transaction() as connection:
            sealed = _find(connection, PREVIOUS_MASTER_KEY)
        return None if sealed is None else master.open(sealed, PREVIOUS_MASTER_KEY)


def _find(connection: Connection, name: str) -> bytes | None:
    found: bytes | None = connection.execute(
        select(installation.c.sealed).where(installation.c.name == name)
    ).scalar_one_or_none()
    return found
