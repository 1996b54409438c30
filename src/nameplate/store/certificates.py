"""Certificates of devices, their private keys sealed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, select

from nameplate.domain.secrets import MasterKey
from nameplate.store.database import Database
from nameplate.store.schema import certificate, device


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A device's certificate (DER), its serial number in decimal, and its private key, sealed."""

    device_id: int
    serial: str
    certificate: bytes
    private_key: bytes

    def open_key(self, master: MasterKey) -> bytes:
        """Return the private key (PKCS 8, DER).

        Raises WrongMasterKeyError.
        """
        return master.open(self.private_key, key_owner(self.device_id))


def key_owner(device_id: int) -> str:
    """Return what a device's private key is sealed for."""
    return f"device:{device_id}:private-key"


def add_certificates(connection: Connection, rows: Sequence[StoredCertificate]) -> None:
    """Add certificates, in the transaction that adds their devices."""
    if rows:
        connection.execute(certificate.insert(), [asdict(row) for row in rows])


class DeviceCertificates:
    """Certificates by device."""

    def __init__(self, database: Database) -> None:
        columns = [certificate.c[name] for name in ("device_id", "serial", "certificate", "private_key")]
        every = select(*columns)
        self._find = database.prepare(every.where(certificate.c.device_id == bindparam("device_id")))
        named = select(device.c.name, *columns).join(device, device.c.id == certificate.c.device_id)
        between = certificate.c.device_id.between(bindparam("first"), bindparam("last"))
        self._between = database.prepare(named.where(between).order_by(certificate.c.device_id))

    def find(self, device_id: int) -> StoredCertificate | None:
        """Return a device's certificate, or None."""
        row = self._find.row(device_id=device_id)
        return None if row is None else StoredCertificate(*row)

    def between(self, first: int, last: int) -> list[tuple[str, StoredCertificate]]:
        """Return the certificates of the devices with ids from `first` to `last`, in order, with their names."""
        return [(name, StoredCertificate(*row)) for name, *row in self._between.rows(first=first, last=last)]

    def forget(self, connection: Connection, device_id: int) -> None:
        """Delete the certificate of a device that is being deleted."""
        connection.execute(certificate.delete().where(certificate.c.device_id == device_id))
