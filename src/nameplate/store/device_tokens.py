"""Tokens that devices are given over HTTP: kept as digests, each good until its time or until the secret changes."""

from hashlib import blake2b
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from nameplate.domain.device import Status
from nameplate.store.applicants import Applicant
from nameplate.store.database import Database
from nameplate.store.devices import is_device
from nameplate.store.schema import device, device_token

MOST_TOKENS: Final = 16
"""How many tokens a device may have at once: what it has sent once may be sent again by somebody else."""

_OF_HOLDER: Final = device_token.c.device_id == bindparam("holder")
_KEPT: Final = (
    select(device_token.c.digest).where(_OF_HOLDER).order_by(device_token.c.expires_at.desc()).limit(MOST_TOKENS - 1)
)
_FORGET: Final = device_token.delete().where(
    _OF_HOLDER, (device_token.c.expires_at <= bindparam("now")) | device_token.c.digest.not_in(_KEPT)
)
# There is no connection that would make it ONLINE.
_ACTIVATE: Final = (
    device.update()
    .where(
        *is_device(bindparam("product"), bindparam("device_name"), bindparam("holder")),
        device.c.generation == bindparam("its_generation"),
        device.c.status == Status.UNACTIVE,
    )
    .values(
        status=Status.OFFLINE,
        activated_at=func.coalesce(device.c.activated_at, bindparam("now")),
        status_at=bindparam("now"),
    )
)


class DeviceTokens:
    """Tokens by digest."""

    def __init__(self, database: Database) -> None:
        self._database = database
        columns = [device_token.c[name] for name in ("device_id", "generation", "expires_at")]
        self._find = database.prepare(select(*columns).where(device_token.c.digest == bindparam("digest")))

    def add(self, token: str, holder: Applicant, now: int, expires_at: int) -> None:
        """Keep a token of a device, which is active from now on, beside its others.

        Those of them that have ended by `now` are forgotten, and the oldest beyond `MOST_TOKENS`.
        """
        values = {"digest": _digest(token), "device_id": holder.id, "generation": holder.generation}
        names = {"product": holder.product_id, "device_name": holder.name, "its_generation": holder.generation}
        with self._database.transaction() as connection:
            connection.execute(_FORGET, {"holder": holder.id, "now": now})
            connection.execute(device_token.insert().values(**values, expires_at=expires_at))
            connection.execute(_ACTIVATE, {**names, "holder": holder.id, "now": now})

    def find(self, token: str) -> tuple[int, int, int] | None:
        """Return a token's device, its secret's generation and the time when the token ends; None for no token."""
        row = self._find.row(digest=_digest(token))
        return None if row is None else (row[0], row[1], row[2])

    def forget(self, connection: Connection, device_id: int) -> None:
        """Delete the tokens of a device that is being deleted."""
        connection.execute(device_token.delete().where(device_token.c.device_id == device_id))


def _digest(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=16, person=b"device-token").digest()
