"""The store as a whole: one registry's tables, and the nonces beside it."""

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from nameplate.store.access_keys import AccessKeys
from nameplate.store.batches import Batches
from nameplate.store.counters import Counters
from nameplate.store.database import Database, UnusableDatabaseError
from nameplate.store.devices import Devices
from nameplate.store.installation import Installation
from nameplate.store.migrations import upgrade
from nameplate.store.nonces import Nonces
from nameplate.store.products import Products

_NONCES: Final = "nonces.db"


class Store:
    """Everything a registry keeps, by noun."""

    def __init__(self, url: str, data_dir: Path) -> None:
        """Open the database at `url`, bring its schema up to date, and open the nonces in `data_dir`."""
        try:
            self.database = Database(url)
            upgrade(self.database.engine)
        except (DBAPIError, sqlite3.Error) as error:
            message = f"The database cannot be opened: {getattr(error, 'orig', error)}."
            raise UnusableDatabaseError(message) from None
        self._nonce_database = Database(f"sqlite:///{data_dir / _NONCES}", durable=False)
        self.counters = Counters(self.database)
        self.installation = Installation(self.database)
        self.access_keys = AccessKeys(self.database, self.counters)
        self.products = Products(self.database)
        self.devices = Devices(self.database, self.counters)
        self.batches = Batches(self.database)
        self.nonces = Nonces(self._nonce_database)

    def close(self) -> None:
        """Close every connection.

        Nothing may be using the store.
        """
        self.database.close()
        self._nonce_database.close()
