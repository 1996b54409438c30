"""Webhooks: where an account wants to be told of its batches."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from nameplate.domain.secrets import MasterKey
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.database import Database
from nameplate.store.schema import account, webhook, webhook_delivery


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook; `secret` is sealed."""

    id: int
    account_id: int
    url: str
    secret: bytes
    is_active: bool
    created_at: int

    def open_secret(self, master: MasterKey) -> str:
        """Return what its messages are signed with. Raises WrongMasterKeyError."""
        return master.open(self.secret, secret_owner(self.id)).decode()


def secret_owner(webhook_id: int) -> str:
    """Return what a webhook's secret is sealed for."""
    return f"webhook:{webhook_id}:secret"


class Webhooks:
    """Webhooks by id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        every = select(*(webhook.c[name] for name in Webhook.__slots__))
        self._find = database.prepare(every.where(webhook.c.id == bindparam("webhook_id")))
        own = every.where(webhook.c.account_id == bindparam("account_id"))
        self._list = database.prepare(own.order_by(webhook.c.id))

    def add(self, new: Webhook, most: int, token: ClientToken | None) -> int | None:
        """Add a webhook and return its id, or that of the one that the same token made; None if there are `most`."""
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.id, new.created_at)
            if earlier is not None:
                return earlier
            if _count(connection, new.account_id) >= most:
                connection.rollback()
                return None
            values = {name: getattr(new, name) for name in Webhook.__slots__}
            connection.execute(webhook.insert().values(values | {"is_active": int(new.is_active)}))
        return new.id

    def find(self, webhook_id: int) -> Webhook | None:
        """Return a webhook, or None."""
        row = self._find.row(webhook_id=webhook_id)
        return None if row is None else Webhook(*row)

    def list(self, account_id: int) -> list[Webhook]:
        """Return an account's webhooks, oldest first."""
        return [Webhook(*row) for row in self._list.rows(account_id=account_id)]

    def delete(self, webhook_id: int) -> None:
        """Delete a webhook, and what it was told or is to be told."""
        with self._database.transaction() as connection:
            connection.execute(webhook_delivery.delete().where(webhook_delivery.c.webhook_id == webhook_id))
            connection.execute(webhook.delete().where(webhook.c.id == webhook_id))


def _count(connection: Connection, account_id: int) -> int:
    """Count an account's webhooks, and keep others from adding one meanwhile."""
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    own = select(func.count()).select_from(webhook).where(webhook.c.account_id == account_id)
    found: int = connection.execute(own).scalar_one()
    return found
