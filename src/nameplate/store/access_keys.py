"""Accounts, and the access keys that authenticate their callers."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from nameplate.domain.access import Role
from nameplate.domain.secrets import MasterKey
from nameplate.store.counters import Counters
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import access_key, account

KEPT_MS: Final = 1_000
"""How long a server goes on with what it knows of an access key."""

_MOST_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key.

    `secret` and `token` are sealed; a temporary key has a token and a time at which it ends.
    """

    id: str
    account_id: int
    account: str
    role: Role
    secret: bytes
    token: bytes | None
    expires_at: int | None
    is_active: bool
    created_at: int

    def open_secret(self, master: MasterKey) -> bytes:
        """Return the key's secret.

        Raises WrongMasterKeyError.
        """
        return master.open(self.secret, f"access-key:{self.id}:secret")

    def open_token(self, master: MasterKey) -> bytes | None:
        """Return a temporary key's token, or None for a permanent key."""
        return None if self.token is None else master.open(self.token, f"access-key:{self.id}:token")


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """An access key to add, in the clear."""

    id: str
    secret: str
    account: str
    role: Role
    token: str | None = None
    expires_at: int | None = None


class AccessKeys:
    """Access keys by id."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._kept: dict[str, tuple[int, AccessKey]] = {}
        columns = [access_key.c[name] for name in ("id", "account_id")] + [account.c.name]
        columns += [access_key.c[name] for name in ("role", "secret", "token", "expires_at", "is_active", "created_at")]
        every = select(*columns).join(account)
        self._find = database.prepare(every.where(access_key.c.id == bindparam("key_id")))
        self._list = database.prepare(every.order_by(account.c.name, access_key.c.created_at))

    def find(self, key_id: str) -> AccessKey | None:
        """Return an access key, or None."""
        row = self._find.row(key_id=key_id)
        return None if row is None else _read(row)

    def recall(self, key_id: str, now: int) -> AccessKey | None:
        """Return an access key as it was at most a second (`KEPT_MS`) ago, or None."""
        kept = self._kept.get(key_id)
        if kept is not None and now < kept[0]:
            return kept[1]
        key = self.find(key_id)
        if key is not None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key_id] = (now + KEPT_MS, key)
        return key

    def list(self) -> list[AccessKey]:
        """Return every access key, by account."""
        return [_read(row) for row in self._list.rows()]

    def put(self, new: NewAccessKey, master: MasterKey, now: int) -> None:
        """Add an access key, and its account if there is none of that name; replace the key of the same id."""
        account_id = self._counters.mint("account")
        values = {
            "role": new.role,
            "secret": master.seal(new.secret.encode(), f"access-key:{new.id}:secret"),
            "token": None if new.token is None else master.seal(new.token.encode(), f"access-key:{new.id}:token"),
            "expires_at": new.expires_at,
            "is_active": 1,
        }
        with self._database.transaction() as connection:
            insert_new(connection, account, {"id": account_id, "name": new.account, "created_at": now})
            values["account_id"] = _account_id(connection, new.account)
            if not insert_new(connection, access_key, {"id": new.id, "created_at": now, **values}):
                connection.execute(access_key.update().where(access_key.c.id == new.id).values(**values))

    def disable(self, key_id: str) -> bool:
        """Stop a key from being used; False if there is none."""
        with self._database.transaction() as connection:
            disabled = access_key.update().where(access_key.c.id == key_id).values(is_active=0)
            return connection.execute(disabled).rowcount == 1


def _account_id(connection: Connection, name: str) -> int:
    found: int = connection.execute(select(account.c.id).where(account.c.name == name)).scalar_one()
    return found


def _read(row: tuple[Any, ...]) -> AccessKey:
    key_id, account_id, name, role, secret, token, expires_at, is_active, created_at = row
    return AccessKey(key_id, account_id, name, Role(role), secret, token, expires_at, bool(is_active), created_at)
