"""Devices as they ask to be let in: found by the two names that they give, in one read with their product."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import bindparam, select

from nameplate.domain.device import Status
from nameplate.domain.device_auth import Identity
from nameplate.domain.product import AuthType
from nameplate.domain.secrets import DeviceSecrets, MasterKey
from nameplate.store.database import Database
from nameplate.store.devices import is_device, secret_owner
from nameplate.store.products import material_owner
from nameplate.store.rows import in_slices
from nameplate.store.schema import device, product

MOST_GENERATIONS: Final = 32_767
"""What a generation may be at most: the column's largest number."""


class Applicant(NamedTuple):
    """What has to be known of a device to let it in; `secret` and `material` are sealed.

    A tuple as the database gives it: one is made for each check.
    """

    id: int
    name: str
    status: int
    generation: int
    secret: bytes | None
    product_id: int
    product_key: str
    auth_type: str
    material: bytes

    @property
    def identity(self) -> Identity:
        """The names that it goes by."""
        return Identity(self.product_key, self.name)

    @property
    def has_certificate(self) -> bool:
        """Whether it proves who it is with a certificate, and has no secret."""
        return self.auth_type == AuthType.X509 and self.secret is None

    def open_secret(self, master: MasterKey) -> str:
        """Return its DeviceSecret: the imported one, or the one that derives from its id.

        Raises WrongMasterKeyError.
        """
        if self.secret is not None:
            return master.open(self.secret, secret_owner(self.id)).decode()
        return DeviceSecrets(master.open(self.material, material_owner(self.product_key))).secret(
            self.id, self.generation
        )


_COLUMNS: Final = (
    device.c.id,
    device.c.name,
    device.c.status,
    device.c.generation,
    device.c.secret,
    product.c.id,
    product.c.key,
    product.c.auth_type,
    product.c.material,
)
_EVERY: Final = select(*_COLUMNS).join(product, product.c.id == device.c.product_id)
_NAMED: Final = _EVERY.where(product.c.key == bindparam("key"), product.c.deleted_at.is_(None))
_ANY_NAMED: Final = _NAMED.where(device.c.name.in_(bindparam("names", expanding=True)))


class Applicants:
    """Devices with what lets them in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._find = database.prepare(_NAMED.where(device.c.name == bindparam("name")))
        self._get = database.prepare(_EVERY.where(device.c.id == bindparam("device_id")))
        page = _NAMED.where(device.c.name > bindparam("after")).order_by(device.c.name).limit(bindparam("size"))
        self._page = database.prepare(page)

    def find(self, identity: Identity) -> Applicant | None:
        """Return the device of these names, or None."""
        row = self._find.row(key=identity.product_key, name=identity.device_name)
        return None if row is None else Applicant._make(row)

    def find_all(self, identities: Iterable[Identity]) -> dict[Identity, Applicant]:
        """Return those of these devices that there are, with a query for each product."""
        names: dict[str, list[str]] = defaultdict(list)
        for key, name in identities:
            names[key].append(name)
        with self._database.transaction(durable=False) as connection:
            found = [
                Applicant._make(row)
                for key, of_product in names.items()
                for some in in_slices(of_product)
                for row in connection.execute(_ANY_NAMED, {"key": key, "names": some})
            ]
        return {one.identity: one for one in found}

    def get(self, device_id: int) -> Applicant | None:
        """Return the device with this id, or None if it is gone."""
        row = self._get.row(device_id=device_id)
        return None if row is None else Applicant._make(row)

    def page(self, product_key: str, after: str, size: int) -> list[Applicant]:
        """Return up to `size` of a product's devices, in the order of their names, with names beyond `after`."""
        return [Applicant._make(row) for row in self._page.rows(key=product_key, after=after, size=size)]

    def renew(self, chosen: Applicant) -> bool:
        """Give a device that has never connected another secret; False if it has by now, or has another one already."""
        here = is_device(chosen.product_id, chosen.name, chosen.id)
        unchanged = (device.c.status == Status.UNACTIVE, device.c.generation == chosen.generation)
        fits = device.c.generation < MOST_GENERATIONS
        update = device.update().where(*here, *unchanged, fits).values(generation=device.c.generation + 1)
        with self._database.transaction() as connection:
            return connection.execute(update).rowcount == 1
