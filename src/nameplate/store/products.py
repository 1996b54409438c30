"""Products."""

from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Connection, Text, and_, bindparam, func, or_, select
from sqlalchemy.exc import IntegrityError

from nameplate.domain.batch import STEPS
from nameplate.domain.secrets import DeviceSecrets, MasterKey
from nameplate.errors import PRODUCT_IN_USE, PRODUCT_NOT_FOUND, TOO_MANY_PRODUCTS
from nameplate.store.client_tokens import ClientToken, redeem
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import account, batch, block, device, product, topic_rule

_USES: Final = {
    "devices: delete them first": select(device.c.id).where(device.c.product_id == bindparam("product_id")).limit(1),
    "a batch that is being worked on: wait for its end": (
        select(batch.c.id)
        .where(batch.c.product_id == bindparam("product_id"), batch.c.state.in_(tuple(STEPS)))
        .limit(1)
    ),
}


@dataclass(frozen=True, slots=True)
class Product:
    """One product, as it is stored.

    `secret` and `material` are sealed.
    """

    id: int
    account_id: int
    key: str
    name: str
    secret: bytes
    material: bytes
    description: str | None
    node_type: int
    commodity: str
    data_format: int | None
    auth_type: str
    net_type: str
    protocol: str | None
    category: str | None
    validation: int
    created_at: int

    def open_secret(self, master: MasterKey) -> str:
        """Return the ProductSecret.

        Raises WrongMasterKeyError.
        """
        return master.open(self.secret, f"product:{self.key}:secret").decode()

    def device_secrets(self, master: MasterKey) -> DeviceSecrets:
        """Return what this product's device secrets derive from.

        Raises WrongMasterKeyError.
        """
        return DeviceSecrets(master.open(self.material, material_owner(self.key)))


def material_owner(key: str) -> str:
    """Return what a product's material is sealed for."""
    return f"product:{key}:material"


def seal(master: MasterKey, key: str, secret: str, material: bytes) -> dict[str, bytes]:
    """Return a new product's sealed columns."""
    return {
        "secret": master.seal(secret.encode(), f"product:{key}:secret"),
        "material": master.seal(material, material_owner(key)),
    }


class Products:
    """Products by key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        every = select(*(product.c[field.name] for field in fields(Product)))
        self._find = database.prepare(every.where(product.c.key == bindparam("key"), product.c.deleted_at.is_(None)))
        self._was_there = database.prepare(select(product.c.id).where(product.c.key == bindparam("key")))
        self._get = database.prepare(every.where(product.c.id == bindparam("product_id")))
        own = and_(
            product.c.account_id == bindparam("account_id"),
            product.c.deleted_at.is_(None),
            or_(bindparam("commodity", type_=Text) == "", product.c.commodity == bindparam("commodity", type_=Text)),
        )
        page = every.where(own).order_by(product.c.id.desc()).limit(bindparam("size")).offset(bindparam("skip"))
        self._page = database.prepare(page)
        older = every.where(
            product.c.account_id == bindparam("account_id"),
            product.c.deleted_at.is_(None),
            product.c.id < bindparam("before"),
        )
        self._before = database.prepare(older.order_by(product.c.id.desc()).limit(bindparam("size")))
        self._total = database.prepare(select(func.count()).select_from(product).where(own))

    def add(self, new: Product, most: int | None = None, token: ClientToken | None = None) -> int | None:
        """Add a product and return its id, or that of the product that the same token made.

        None if its account has one of this name. Raises TOO_MANY_PRODUCTS if the account has `most` already.
        """
        values: dict[str, Any] = {field.name: getattr(new, field.name) for field in fields(new)}
        with self._database.transaction() as connection:
            earlier = redeem(connection, token, new.id, new.created_at)
            if earlier is not None:
                return earlier
            if most is not None and _count_own(connection, new.account_id) >= most:
                raise TOO_MANY_PRODUCTS(most=most)
            if not insert_new(connection, product, values):
                # The token has made nothing.
                connection.rollback()
                return None
        return new.id

    def update(self, product_id: int, name: str, description: str | None) -> bool:
        """Rename a product, and describe it anew unless `description` is None; False if the name is taken.

        Raises PRODUCT_NOT_FOUND.
        """
        values = {"name": name} if description is None else {"name": name, "description": description}
        change = product.update().where(product.c.id == product_id, product.c.deleted_at.is_(None)).values(**values)
        try:
            with self._database.transaction() as connection:
                if connection.execute(change).rowcount != 1:
                    raise PRODUCT_NOT_FOUND()
        except IntegrityError:
            return False
        return True

    def delete(self, product_id: int, now: int) -> None:
        """Delete a product that nothing needs; its batches stay, and its key is never used again.

        Its secret and what its devices' secrets derived from are wiped. Raises PRODUCT_IN_USE and PRODUCT_NOT_FOUND.
        """
        here = product.c.id == product_id
        with self._database.transaction() as connection:
            # Whoever adds devices or batches holds the product meanwhile, so from here on nothing is added.
            locked = select(product.c.id).where(here, product.c.deleted_at.is_(None)).with_for_update()
            if connection.execute(locked).first() is None:
                raise PRODUCT_NOT_FOUND()
            for what, found in _USES.items():
                if connection.execute(found, {"product_id": product_id}).first() is not None:
                    raise PRODUCT_IN_USE(what=what)
            wiped = {"deleted_at": now, "secret": b"", "material": b""}
            connection.execute(product.update().where(here).values(**wiped))
            for kept in (block, topic_rule):
                connection.execute(kept.delete().where(kept.c.product_id == product_id))

    def page(self, account_id: int, commodity: str | None, skip: int, size: int) -> list[Product]:
        """Return up to `size` of an account's products, newest first, after the first `skip`."""
        rows = self._page.rows(account_id=account_id, commodity=commodity or "", skip=skip, size=size)
        return [Product(*row) for row in rows]

    def before(self, account_id: int, before: int, size: int) -> list[Product]:
        """Return up to `size` of an account's products with ids below `before`, newest first."""
        return [Product(*row) for row in self._before.rows(account_id=account_id, before=before, size=size)]

    def count(self, account_id: int, commodity: str | None) -> int:
        """Return how many products an account has."""
        row = self._total.row(account_id=account_id, commodity=commodity or "")
        return 0 if row is None else int(row[0])

    def find(self, key: str) -> Product | None:
        """Return the product with this key, or None."""
        row = self._find.row(key=key)
        return None if row is None else Product(*row)

    def was_there(self, key: str) -> bool:
        """Whether there is, or was before it was deleted, a product with this key."""
        return self._was_there.row(key=key) is not None

    def get(self, product_id: int) -> Product:
        """Return the product with this id, which a device or batch refers to."""
        row = self._get.row(product_id=product_id)
        assert row is not None
        return Product(*row)


def _count_own(connection: Connection, account_id: int) -> int:
    """Count an account's products, and keep others from adding one meanwhile."""
    connection.execute(select(account.c.id).where(account.c.id == account_id).with_for_update())
    own = select(func.count()).select_from(product)
    found: int = connection.execute(
        own.where(product.c.account_id == account_id, product.c.deleted_at.is_(None))
    ).scalar_one()
    return found
