"""Devices by the page, and how many there are."""

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.device import MAX_ID, Status
from nameplate.errors import INVALID_NEXT_TOKEN, INVALID_STATUS, NEXT_TOKEN_NEEDED, NULL_PRODUCT_KEY
from nameplate.operations.groups import find_group
from nameplate.operations.parameters import ProductKey, check_range, cookie_date, paging, utc
from nameplate.operations.selection import identity
from nameplate.store.device_lists import Scope
from nameplate.store.devices import Device
from nameplate.store.products import Product
from nameplate.wire.operation import operation

# The page says 50; what pages through a batch takes 200, so this does too.
_PAGE_SIZE = 200
_MOST_SKIPPED = 10_000
_DEVICE_ID_LENGTH = 20
_TOTAL_LENGTH = 18


@operation("QueryDevice", role=Role.READER)
def query_device(
    call: Call,
    product_key: ProductKey,
    page_size: int = 10,
    current_page: int = 1,
    next_token: str | None = None,
) -> Answer:
    """Return one page of a product's devices, newest first; PageSize is 1 to 200.

    The vendor's page says 50, and that DeviceType is never returned. Each answer has a NextToken, empty on the last
    page. Sent with the next call instead of CurrentPage it continues right after the last device of that answer,
    whatever was registered or deleted meanwhile, and Total stays what it was. Beyond the first 10,000 devices it must
    be sent. Unlike the vendor's, it works for products of any size.
    """
    product = call.product(product_key)
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    check_range("CurrentPage", current_page, 1, 10**9)
    if next_token:
        before, total = _read_token(call, next_token)
        skip = 0
    else:
        before, skip = MAX_ID, (current_page - 1) * page_size
        if skip + page_size > _MOST_SKIPPED:
            raise NEXT_TOKEN_NEEDED(most=_MOST_SKIPPED)
        total = call.store.tallies.of_product(product.id)
    # One more tells whether there is another page.
    found = call.store.device_lists.newest(Scope(call.account_id, product.id), before, skip, page_size + 1)
    page = found[:page_size]
    return {
        **paging(current_page, page_size, total),
        "NextToken": _token(call, page[-1], total) if len(found) > page_size else "",
        "Data": {"DeviceInfo": [_info(call, product, device) for device in page]},
    }


@operation("QueryDeviceByStatus", role=Role.READER)
def query_device_by_status(
    call: Call,
    status: int,
    product_key: str | None = None,
    page_size: int = 10,
    current_page: int = 1,
) -> Answer:
    """Return one page of the devices with a status, of a product or of the account, newest first.

    Status is 0 (UNACTIVE), 1 (ONLINE), 3 (OFFLINE) or 8 (DISABLE); PageSize is 1 to 200, the vendor's page says 50.
    Unlike the vendor's index, which is up to 10 seconds behind, this is never behind. ResourceGroupId is not read.
    """
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    check_range("CurrentPage", current_page, 1, 10**9)
    if status not in tuple(Status):
        raise INVALID_STATUS(choices=", ".join(f"{one.value} ({one.name})" for one in Status))
    scope, chosen = _scope(call, product_key), Status(status)
    total = call.store.device_lists.count_status(scope, chosen)
    found = call.store.device_lists.with_status(scope, chosen, (current_page - 1) * page_size, page_size)
    products = {number: call.store.products.get(number) for number in {device.product_id for device in found}}
    listed = [_simple(call, products[device.product_id], device) for device in found]
    return {**paging(current_page, page_size, total), "Data": {"SimpleDeviceInfo": listed}}


@operation("QueryDeviceStatistics", role=Role.READER)
def query_device_statistics(call: Call, product_key: str | None = None, group_id: str | None = None) -> Answer:
    """Count the devices of a product, a group, both or the account; those that are online, and have ever been."""
    scope = _scope(call, product_key)
    if group_id:
        counts = call.store.groups.count(find_group(call, group_id), scope.product_id)
    else:
        counts = call.store.device_lists.count(scope)
    devices, online, active = counts
    return {"Data": {"deviceCount": devices, "onlineCount": online, "activeCount": active}}


def _scope(call: Call, product_key: str | None) -> Scope:
    if product_key == "":
        raise NULL_PRODUCT_KEY()
    return Scope(call.account_id, None if product_key is None else call.product(product_key).id)


def _token(call: Call, last: Device, total: int) -> str:
    """Return what continues after a device: its DeviceId, and the total that the caller has been told."""
    return f"{call.registry.iot_ids.device_id(last.id)}{total}"


def _read_token(call: Call, token: str) -> tuple[int, int]:
    device_id, total = token[:_DEVICE_ID_LENGTH], token[_DEVICE_ID_LENGTH:]
    last = call.registry.iot_ids.read_device_id(device_id)
    if last is None or not (total.isascii() and total.isdecimal()) or len(total) > _TOTAL_LENGTH:
        raise INVALID_NEXT_TOKEN()
    return last, int(total)


def _info(call: Call, product: Product, device: Device) -> dict[str, object]:
    status = {"DeviceStatus": Status(device.status).name, "DeviceId": call.registry.iot_ids.device_id(device.id)}
    return identity(call, product, device) | status | _times(device)


def _simple(call: Call, product: Product, device: Device) -> dict[str, object]:
    return identity(call, product, device) | {"Status": Status(device.status).name} | _times(device)


def _times(device: Device) -> dict[str, str]:
    modified = device.created_at if device.modified_at is None else device.modified_at
    return {
        "GmtCreate": cookie_date(device.created_at),
        "GmtModified": cookie_date(modified),
        "UtcCreate": utc(device.created_at),
        "UtcModified": utc(modified),
    }
