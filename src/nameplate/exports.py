"""Devices on their way out: whose, which of them, with what secrets; page by page, however many there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nameplate.call import Call
from nameplate.domain.device import MAX_ID, Status, first_id
from nameplate.domain.product import AuthType
from nameplate.files.columns import DEVICE_NAME, DEVICE_SECRET, NICKNAME, SN, TAGS
from nameplate.files.tags import as_text
from nameplate.operations.batches import find_batch
from nameplate.store.device_lists import Scope
from nameplate.store.devices import Device
from nameplate.store.products import Product

PRODUCT_KEY: Final = "ProductKey"
IOT_ID: Final = "IotId"
COLUMNS: Final = (PRODUCT_KEY, DEVICE_NAME, DEVICE_SECRET, IOT_ID, NICKNAME, SN, TAGS)

_AT_ONCE: Final = 5_000

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which devices are wanted: every one, or those with a status and with all of some tags."""

    status: Status | None = None
    tags: Mapping[str, str] | None = None

    def takes(self, device: Device, tags: Mapping[str, str]) -> bool:
        """Whether it is wanted."""
        has_status = self.status is None or device.status == self.status
        return has_status and all(tags.get(key) == value for key, value in (self.tags or {}).items())


class Export:
    """The devices of a batch or of a product, and how many there were when they have all gone by."""

    def __init__(self, call: Call, product: Product, batch_id: int | None, wanted: Filter) -> None:
        self.product = product
        self.batch_id = batch_id
        self.rows = 0
        self._call = call
        self._wanted = wanted
        self._secret = _secrets(call, product)

    def pages(self) -> Iterator[list[Row]]:
        """Yield the devices, some at a time."""
        for first, last in self._ranges():
            after = first - 1
            while page := self._call.store.devices.after(first, last, after, _AT_ONCE):
                after = page[-1].id
                rows = self._rows(page)
                self.rows += len(rows)
                yield rows

    def _ranges(self) -> Iterator[tuple[int, int]]:
        if self.batch_id is not None:
            yield first_id(self.batch_id), first_id(self.batch_id + 1) - 1
            return
        yield from self._call.store.device_lists.ranges(Scope(self._call.account_id, self.product.id), MAX_ID)

    def _rows(self, page: list[Device]) -> list[Row]:
        tags = self._call.store.tags.between(page[0].id, page[-1].id)
        nothing: Mapping[str, str] = {}
        wanted = (device for device in page if self._wanted.takes(device, tags.get(device.id, nothing)))
        return [self._row(device, tags.get(device.id, nothing)) for device in wanted]

    def _row(self, device: Device, tags: Mapping[str, str]) -> Row:
        return {
            PRODUCT_KEY: self.product.key,
            DEVICE_NAME: device.name,
            DEVICE_SECRET: self._secret(device),
            IOT_ID: self._call.registry.iot_ids.iot_id(device.id),
            NICKNAME: device.nickname or "",
            SN: device.sn or "",
            TAGS: as_text(dict(tags)),
        }


def of_batch(call: Call, batch_id: int) -> Export:
    """Return what exports a batch's devices. Raises the ApplyId refusals."""
    batch = find_batch(call, batch_id)
    return Export(call, call.store.products.get(batch.product_id), batch.id, Filter())


def of_product(call: Call, product_key: str, wanted: Filter) -> Export:
    """Return what exports a product's devices, newest batch first. Raises the product refusals."""
    return Export(call, call.product(product_key), None, wanted)


def _secrets(call: Call, product: Product) -> Callable[[Device], str]:
    """Return what tells a device's secret: the imported one, or the derived one; none if it has a certificate."""
    master = call.registry.master
    derived = product.device_secrets(master)

    def secret(device: Device) -> str:
        if device.secret is not None:
            return device.open_secret(master)
        return "" if product.auth_type == AuthType.X509 else derived.secret(device.id, device.generation)

    return secret
