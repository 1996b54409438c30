"""Products."""

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import bindparam, func, select

from nameplate.domain.secrets import DeviceSecrets, MasterKey
from nameplate.store.database import Database
from nameplate.store.rows import insert_new
from nameplate.store.schema import device, product


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
        return DeviceSecrets(master.open(self.material, f"product:{self.key}:material"))


def seal(master: MasterKey, key: str, secret: str, material: bytes) -> dict[str, bytes]:
    """Return a new product's sealed columns."""
    return {
        "secret": master.seal(secret.encode(), f"product:{key}:secret"),
        "material": master.seal(material, f"product:{key}:material"),
    }


class Products:
    """Products by key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        every = select(*(product.c[field.name] for field in fields(Product)))
        self._find = database.prepare(every.where(product.c.key == bindparam("key")))
        self._get = database.prepare(every.where(product.c.id == bindparam("product_id")))
        counted = select(func.count()).select_from(device).where(device.c.product_id == bindparam("product_id"))
        self._count = database.prepare(counted)

    def add(self, new: Product) -> bool:
        """Add a product; False if its account has one of this name."""
        values: dict[str, Any] = {field.name: getattr(new, field.name) for field in fields(new)}
        with self._database.transaction() as connection:
            return insert_new(connection, product, values)

    def find(self, key: str) -> Product | None:
        """Return the product with this key, or None."""
        row = self._find.row(key=key)
        return None if row is None else Product(*row)

    def get(self, product_id: int) -> Product:
        """Return the product with this id, which a device or batch refers to."""
        row = self._get.row(product_id=product_id)
        assert row is not None
        return Product(*row)

    def count_devices(self, product_id: int) -> int:
        """Return how many devices a product has."""
        row = self._count.row(product_id=product_id)
        return 0 if row is None else int(row[0])
