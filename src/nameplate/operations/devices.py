"""Devices, one at a time."""

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.device import Status
from nameplate.domain.names import is_device_name, is_nickname
from nameplate.errors import (
    ACCOUNT_DENIED,
    DEVICE_NOT_FOUND,
    INVALID_DEVICE_NAME,
    INVALID_IOT_ID,
    INVALID_NICKNAME,
    NULL_DEVICE_NAME,
    NULL_PRODUCT_KEY,
)
from nameplate.metrics import DEVICES_CREATED
from nameplate.operations.parameters import DeviceName, ProductKey, beijing, utc
from nameplate.store.devices import Device
from nameplate.store.products import Product
from nameplate.wire.operation import operation


@operation("RegisterDevice", role=Role.REGISTRAR)
def register_device(
    call: Call,
    product_key: ProductKey,
    device_name: DeviceName | None = None,
    nickname: str | None = None,
    client_token: str | None = None,
) -> Answer:
    """Register one device and return its secret.

    Without a DeviceName one is minted: the DeviceId, the first 20 characters of the IotId. With a ClientToken the same
    request may be sent again after a lost answer: it returns the same device.
    """
    product = call.product(product_key)
    if device_name is not None and not is_device_name(device_name):
        raise INVALID_DEVICE_NAME()
    if nickname is not None and not is_nickname(nickname):
        raise INVALID_NICKNAME()
    number = call.store.devices.mint_id()
    new = Device(
        id=number,
        product_id=product.id,
        name=device_name or call.registry.iot_ids.device_id(number),
        nickname=nickname,
        status=Status.UNACTIVE,
        generation=0,
        created_at=call.now(),
        activated_at=None,
        online_at=None,
    )
    token = call.token(client_token, product_key, device_name, nickname)
    added = call.store.devices.add(new, token)
    device = call.store.devices.find(added)
    if device is None:
        raise DEVICE_NOT_FOUND()
    if added == number:
        DEVICES_CREATED.inc()
    return {"Data": _identity(call, product, device)}


@operation("QueryDeviceDetail", role=Role.READER, inline=True)
def query_device_detail(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Return everything about one device, found by its IotId or by ProductKey and DeviceName; IotId wins.

    `GmtCreate`, `GmtActive` and `GmtOnline` are in Beijing time (UTC+8), as the vendor's are.
    """
    product, device = _select(call, iot_id, product_key, device_name)
    details = {
        "ProductName": product.name,
        "NodeType": product.node_type,
        "Status": Status(device.status).name,
        "Region": call.registry.region,
        "Owner": True,
        "GmtCreate": beijing(device.created_at),
        "UtcCreate": utc(device.created_at),
        "GmtActive": beijing(device.activated_at),
        "UtcActive": utc(device.activated_at),
        "GmtOnline": beijing(device.online_at),
        "UtcOnline": utc(device.online_at),
    }
    return {"Data": _identity(call, product, device) | details}


def _select(call: Call, iot_id: str | None, product_key: str | None, device_name: str | None) -> tuple[Product, Device]:
    """Return the device that a call selects, and its product.

    Raises the selector refusals.
    """
    if iot_id:
        return _by_iot_id(call, iot_id)
    if not product_key:
        raise NULL_PRODUCT_KEY()
    product = call.product(product_key)
    if not device_name:
        raise NULL_DEVICE_NAME()
    if not is_device_name(device_name):
        raise INVALID_DEVICE_NAME()
    device = call.store.devices.find_name(product.id, device_name)
    if device is None:
        raise DEVICE_NOT_FOUND()
    return product, device


def _by_iot_id(call: Call, iot_id: str) -> tuple[Product, Device]:
    number = call.registry.iot_ids.read(iot_id)
    if number is None:
        raise INVALID_IOT_ID()
    device = call.store.devices.find(number)
    if device is None:
        raise DEVICE_NOT_FOUND()
    product = call.store.products.get(device.product_id)
    if product.account_id != call.account_id:
        raise ACCOUNT_DENIED()
    return product, device


def _identity(call: Call, product: Product, device: Device) -> dict[str, object]:
    identity: dict[str, object] = {
        "ProductKey": product.key,
        "DeviceName": device.name,
        "DeviceSecret": product.device_secrets(call.registry.master).secret(device.id, device.generation),
        "IotId": call.registry.iot_ids.iot_id(device.id),
    }
    if device.nickname is not None:
        identity["Nickname"] = device.nickname
    return identity
