"""The store as a whole: one registry's tables, and the nonces beside it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from nameplate.refusal import RefusedError
from nameplate.store.access_keys import AccessKeys
from nameplate.store.applicants import Applicants
from nameplate.store.batches import Batches
from nameplate.store.certificates import DeviceCertificates
from nameplate.store.client_tokens import ClientTokens
from nameplate.store.connections import ConnectionTable
from nameplate.store.counters import Counters
from nameplate.store.database import Database, UnusableDatabaseError
from nameplate.store.deliveries import Deliveries
from nameplate.store.device_access import DeviceAccess
from nameplate.store.device_lists import DeviceLists
from nameplate.store.device_tokens import DeviceTokens
from nameplate.store.devices import Devices
from nameplate.store.engines import PostgresDatabase, SqliteDatabase, open_database
from nameplate.store.engines.postgresql_nonces import PostgresNonces
from nameplate.store.engines.sqlite_nonces import SqliteNonces
from nameplate.store.exports import Exports
from nameplate.store.file_batches import FileBatches
from nameplate.store.findings import Findings
from nameplate.store.groups import Groups
from nameplate.store.installation import Installation
from nameplate.store.migrations import PRESENT, Standing, revisions, standing
from nameplate.store.nonces import Nonces
from nameplate.store.parts import Parts
from nameplate.store.pieces import Pieces
from nameplate.store.plan import Plans
from nameplate.store.products import Products
from nameplate.store.tags import Tags
from nameplate.store.tallies import Tallies
from nameplate.store.uploads import Uploads
from nameplate.store.webhooks import Webhooks
from nameplate.store.workers import Workers

_NONCES: Final = "nonces.db"
# Of some 5 * 10^11; a batch takes one, and so does a process that registers devices singly.
_SKIPPED: Final = 1_000_000


class Store:
    """Everything a registry keeps, by noun."""

    def __init__(self, url: str, data_dir: Path) -> None:  # noqa: PLR0915 (a noun each)
        """Open the database at `url`, whose schema is brought up to date if it is embedded.

        On SQLite the nonces are in a file in `data_dir`. Raises UnusableDatabaseError.
        """
        with _usable():
            self.database = open_database(url)
            if self.database.is_embedded:
                _upgrade(self.database)
            else:
                _require_current(self.database)
        self._nonce_database, self.nonces = _open_nonces(self.database, data_dir)
        self.counters = Counters(self.database)
        self.installation = Installation(self.database)
        self.access_keys = AccessKeys(self.database, self.counters)
        self.products = Products(self.database)
        self.tallies = Tallies(self.database)
        self.tags = Tags(self.database)
        self.groups = Groups(self.database)
        self.certificates = DeviceCertificates(self.database)
        self.applicants = Applicants(self.database)
        self.connections = ConnectionTable(self.database)
        self.device_access = DeviceAccess(self.database)
        self.device_tokens = DeviceTokens(self.database)
        beside = (self.tags, self.groups, self.certificates, self.connections, self.device_tokens)
        self.devices = Devices(self.database, self.counters, beside)
        self.device_lists = DeviceLists(self.database, self.tallies)
        self.client_tokens = ClientTokens(self.database)
        self.batches = Batches(self.database)
        self.parts = Parts(self.database)
        self.uploads = Uploads(self.database)
        self.pieces = Pieces(self.database)
        self.file_batches = FileBatches(self.database)
        self.findings = Findings(self.database)
        self.plans = Plans(self.database)
        self.workers = Workers(self.database)
        self.exports = Exports(self.database)
        self.webhooks = Webhooks(self.database)
        self.deliveries = Deliveries(self.database)
        self._schema = self.database.prepare(PRESENT)

    def is_current(self) -> bool:
        """Whether the schema is still this version's."""
        return self._schema.row() == (revisions()[-1],)

    def close(self) -> None:
        """Close every connection.

        Nothing may be using the store.
        """
        self.database.close()
        self._nonce_database.close()


def upgrade_schema(url: str) -> str:
    """Bring the schema of the database at `url` up to date, and return where that is.

    Raises UnusableDatabaseError.
    """
    with _opened(url) as database:
        _upgrade(database)
        return database.location


def check_schema(url: str) -> str:
    """Return where the database at `url` is, if its schema is up to date.

    Raises UnusableDatabaseError if it is not.
    """
    with _opened(url) as database:
        _require_current(database)
        return database.location


def skip_numbers(url: str) -> str:
    """Leave out the numbers that may have been handed out since the database at `url` was backed up.

    Returns where that is. Raises UnusableDatabaseError.
    """
    with _opened(url) as database:
        _require_current(database)
        Counters(database).skip("batch", _SKIPPED)
        return database.location


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    with _usable():
        database = open_database(url)
        try:
            yield database
        finally:
            database.close()


def _upgrade(database: Database) -> None:
    found = standing(database)
    if found is Standing.AHEAD:
        raise UnusableDatabaseError(_explain(database, found))
    if found is not Standing.CURRENT:
        # Alembic takes its time to load, and is needed once per version.
        from nameplate.store.migrations.steps import upgrade  # noqa: PLC0415 (for that reason)

        upgrade(database)


def _require_current(database: Database) -> None:
    found = standing(database)
    if found is not Standing.CURRENT:
        raise UnusableDatabaseError(_explain(database, found))


def _explain(database: Database, found: Standing) -> str:
    advice = "Install that version." if found is Standing.AHEAD else "Run: nameplate db upgrade"
    return f"The database {database.location} {found.value}. {advice}"


@contextmanager
def _usable() -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        message = f"The database cannot be opened: {error.reason}."
        raise UnusableDatabaseError(message) from None
    except (DBAPIError, sqlite3.Error) as error:
        message = f"The database cannot be opened: {getattr(error, 'orig', error)}."
        raise UnusableDatabaseError(message) from None


def _open_nonces(database: Database, data_dir: Path) -> tuple[Database, Nonces]:
    """Return the nonces, and the database that they are in."""
    if isinstance(database, PostgresDatabase):
        return database, PostgresNonces(database)
    beside = SqliteDatabase(data_dir / _NONCES, durable=False)
    return beside, SqliteNonces(beside)
