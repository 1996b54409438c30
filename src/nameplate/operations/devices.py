"""Devices: register one, look them up, name them, delete them."""

from typing import NamedTuple

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.batch import ROWS_PER_CALL
from nameplate.domain.device import Status
from nameplate.domain.names import is_device_name, is_nickname, is_short_nickname
from nameplate.domain.product import AuthType
from nameplate.errors import (
    DEVICE_NOT_FOUND,
    INVALID_DEVICE_NAME,
    INVALID_NICKNAME,
    INVALID_SHORT_NICKNAME,
    NO_DEVICE_NAMES,
    TOO_MANY_SELECTED,
)
from nameplate.metrics import DEVICES_CREATED
from nameplate.operations.parameters import DeviceName, ProductKey, beijing, utc
from nameplate.operations.selection import identity, select_device
from nameplate.store.devices import Device
from nameplate.store.products import Product
from nameplate.wire.operation import operation

_DETAILS_PER_CALL = 100


class DeviceNickname(NamedTuple):
    """One row of DeviceNicknameInfo."""

    iot_id: str | None = None
    product_key: str | None = None
    device_name: str | None = None
    nickname: str | None = None


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
    request may be sent again after a lost answer: it returns the same device. A device of an X.509 product has no
    secret but a certificate: see QueryDeviceCert. Unlike the vendor's, it registers no LoRaWAN devices: DevEui,
    PinCode, JoinEui, AppKey and LoraNodeType are not read.
    """
    product = call.product(product_key)
    if device_name is not None and not is_device_name(device_name):
        raise INVALID_DEVICE_NAME()
    if nickname is not None and not is_nickname(nickname):
        raise INVALID_NICKNAME()
    token = call.token(client_token, product_key, device_name, nickname)
    added = call.store.client_tokens.find(token)
    if added is None:
        number = call.store.devices.mint_id(product.id)
        new = Device(
            id=number,
            product_id=product.id,
            name=device_name or call.registry.iot_ids.device_id(number),
            nickname=nickname,
            status=Status.UNACTIVE,
            generation=0,
            created_at=call.now(),
        )
        is_certified = product.auth_type == AuthType.X509
        certificates = call.registry.mint_certificates(product.key, [number], [new.name]) if is_certified else []
        added = call.store.devices.add(new, token, certificates, call.registry.limits.devices)
        if added == number:
            DEVICES_CREATED.inc()
    device = call.store.devices.find(added)
    if device is None:
        raise DEVICE_NOT_FOUND()
    return {"Data": identity(call, product, device)}


@operation("QueryDeviceDetail", role=Role.READER, inline=True)
def query_device_detail(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Return everything about one device, found by its IotId or by ProductKey and DeviceName; IotId wins.

    `GmtCreate`, `GmtActive` and `GmtOnline` are in Beijing time (UTC+8), as the vendor's are. Unlike the vendor's, it
    has no FirmwareVersion and no IpAddress.
    """
    product, device = select_device(call, iot_id, product_key, device_name)
    online = {"GmtOnline": beijing(device.online_at), "UtcOnline": utc(device.online_at)}
    return {"Data": _kind(call, product, device) | {"Owner": True} | _times(device) | online}


@operation("QueryDeviceInfo", role=Role.READER, inline=True)
def query_device_info(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Return what identifies one device, its secret and its nickname."""
    return {"Data": identity(call, *select_device(call, iot_id, product_key, device_name))}


@operation("BatchQueryDeviceDetail", role=Role.READER)
def batch_query_device_detail(call: Call, product_key: ProductKey, device_name: list[str] | None = None) -> Answer:
    """Return the details of up to 100 devices of one product; names that have no device are left out.

    Unlike the vendor's, they have no FirmwareVersion.
    """
    product = call.product(product_key)
    names = list(dict.fromkeys(device_name or []))
    if not names:
        raise NO_DEVICE_NAMES()
    if len(names) > _DETAILS_PER_CALL:
        raise TOO_MANY_SELECTED(count=len(names), most=_DETAILS_PER_CALL)
    found = [call.store.devices.find_name(product.id, name) for name in names if is_device_name(name)]
    return {"Data": {"Data": [_kind(call, product, device) | _times(device) for device in found if device]}}


@operation("BatchUpdateDeviceNickname", role=Role.REGISTRAR)
def batch_update_device_nickname(call: Call, device_nickname_info: list[DeviceNickname] | None = None) -> Answer:
    """Give up to 10,000 devices nicknames, all or none; a row without a Nickname takes it away.

    Unlike in other operations a nickname is 4 to 32 characters long, as on the vendor's page. It names no number of
    rows.
    """
    rows = device_nickname_info or []
    if not rows:
        raise NO_DEVICE_NAMES()
    if len(rows) > ROWS_PER_CALL:
        raise TOO_MANY_SELECTED(count=len(rows), most=ROWS_PER_CALL)
    for place, row in enumerate(rows, 1):
        if row.nickname and not is_short_nickname(row.nickname):
            raise INVALID_SHORT_NICKNAME(where=f"DeviceNicknameInfo.{place}.Nickname")
    chosen = [(select_device(call, row.iot_id, row.product_key, row.device_name)[1], row.nickname) for row in rows]
    # Of one that is named twice the last row counts.
    last = {device.id: (device, nickname or None) for device, nickname in chosen}
    if not call.store.devices.rename(list(last.values()), call.now()):
        raise DEVICE_NOT_FOUND()
    return {}


@operation("DeleteDevice", role=Role.REGISTRAR)
def delete_device(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Delete a device for good, with its secret or certificate, its tags and its places in groups.

    Its name may be registered again, and is another device then, with another IotId and another secret.
    """
    _, device = select_device(call, iot_id, product_key, device_name)
    if not call.store.devices.delete(device):
        raise DEVICE_NOT_FOUND()
    return {}


def _kind(call: Call, product: Product, device: Device) -> dict[str, object]:
    return identity(call, product, device) | {
        "ProductName": product.name,
        "NodeType": product.node_type,
        "Status": Status(device.status).name,
        "Region": call.registry.region,
    }


def _times(device: Device) -> dict[str, str]:
    return {
        "GmtCreate": beijing(device.created_at),
        "UtcCreate": utc(device.created_at),
        "GmtActive": beijing(device.activated_at),
        "UtcActive": utc(device.activated_at),
    }
