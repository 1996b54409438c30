"""Tokens that devices are given over HTTP: kept as digests, each good until its time or until the secret changes."""

from hashlib import blake2b

from sqlalchemy import Connection, bindparam, select

from nameplate.store.applicants import Applicant
from nameplate.store.database import Database
from nameplate.store.schema import device_token


class DeviceTokens:
    """Tokens by digest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = [device_token.c[name] for name in ("device_id", "generation", "expires_at")]
        self._find = database.prepare(select(*columns).where(device_token.c.digest == bindparam("digest")))

    def add(self, token: str, holder: Applicant, now: int, expires_at: int) -> None:
        """Keep a token of a device beside its others, and forget those of them that have ended by `now`."""
        values = {"digest": _digest(token), "device_id": holder.id, "generation": holder.generation}
        ended = device_token.delete().where(device_token.c.device_id == holder.id, device_token.c.expires_at <= now)
        with self._database.transaction() as connection:
            connection.execute(ended)
            connection.execute(device_token.insert().values(**values, expires_at=expires_at))

    def find(self, token: str) -> tuple[int, int, int] | None:
        """Return a token's device, its secret's generation and the time when the token ends; None for no token."""
        row = self._find.row(digest=_digest(token))
        return None if row is None else (row[0], row[1], row[2])

    def forget(self, connection: Connection, device_id: int) -> None:
        """Delete the tokens of a device that is being deleted."""
        connection.execute(device_token.delete().where(device_token.c.device_id == device_id))


def _digest(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16, person=b"device-token").digest()
