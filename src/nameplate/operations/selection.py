"""Which device a call means, and what identifies it in an answer."""

from typing import Any

from nameplate.call import Call
from nameplate.domain.names import is_device_name
from nameplate.domain.product import AuthType
from nameplate.errors import (
    ACCOUNT_DENIED,
    DEVICE_NOT_FOUND,
    INVALID_DEVICE_NAME,
    INVALID_IOT_ID,
    NULL_DEVICE_NAME,
    NULL_PRODUCT_KEY,
)
from nameplate.store.devices import Device
from nameplate.store.products import Product


def select_device(
    call: Call, iot_id: str | None, product_key: str | None, device_name: str | None
) -> tuple[Product, Device]:
    """Return the device that a call selects, by IotId or by ProductKey and DeviceName, and its product.

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


def identity(call: Call, product: Product, device: Device) -> dict[str, Any]:
    """Return the fields that identify a device, and its secret."""
    fields: dict[str, Any] = {
        "ProductKey": product.key,
        "DeviceName": device.name,
        "DeviceSecret": device_secret(call, product, device),
        "IotId": call.registry.iot_ids.iot_id(device.id),
    }
    if device.nickname is not None:
        fields["Nickname"] = device.nickname
    return fields


def simple_device(call: Call, device_id: int) -> dict[str, str] | None:
    """Return the short form of a device in lists, or None if it has been deleted meanwhile."""
    device = call.store.devices.find(device_id)
    if device is None:
        return None
    product = call.store.products.get(device.product_id)
    iot_id = call.registry.iot_ids.iot_id(device.id)
    return {"ProductKey": product.key, "ProductName": product.name, "DeviceName": device.name, "IotId": iot_id}


def device_secret(call: Call, product: Product, device: Device) -> str:
    """Return a device's secret: the imported one, or the one that derives from its id; none if it has a certificate."""
    if device.secret is not None:
        return device.open_secret(call.registry.master)
    if product.auth_type == AuthType.X509:
        return ""
    return product.device_secrets(call.registry.master).secret(device.id, device.generation)


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
