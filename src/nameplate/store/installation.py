"""Keys of the installation as a whole, sealed under its master key."""

from typing import Final

from sqlalchemy import select

from nameplate.domain.secrets import MasterKey, mint_key
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import installation

_IOT_IDS: Final = "iot-id-key"


class Installation:
    """What makes one installation's ids and secrets its own."""

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
        with self._database.transaction() as connection:
            values = {"name": _IOT_IDS, "sealed": master.seal(mint_key(), _IOT_IDS)}
            insert_new(connection, installation, values)
            found = select(installation.c.sealed).where(installation.c.name == _IOT_IDS)
            sealed: bytes = connection.execute(found).scalar_one()
        return master.open(sealed, _IOT_IDS)
