"""Whether devices may connect, and whether they do."""

from collections.abc import Callable

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.device import Status
from nameplate.errors import DEVICE_NOT_FOUND, NO_DEVICE_NAMES, TOO_MANY_SELECTED
from nameplate.operations.parameters import beijing
from nameplate.operations.selection import select_device
from nameplate.store.devices import Device
from nameplate.wire.operation import operation

_STATES_PER_CALL = 50


@operation("DisableThing", role=Role.REGISTRAR)
def disable_thing(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Keep a device from connecting; its data stays."""
    return _change(call.store.devices.disable, call, iot_id, product_key, device_name)


@operation("EnableThing", role=Role.REGISTRAR)
def enable_thing(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Let a disabled device connect again: it is UNACTIVE if it never has, else OFFLINE.

    The vendor does not say which of them.
    """
    return _change(call.store.devices.enable, call, iot_id, product_key, device_name)


@operation("ResetThing", role=Role.REGISTRAR)
def reset_thing(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Forget that a device has ever connected, so that it may register itself again; a disabled one stays disabled.

    Unlike the vendor's, it is done when the answer comes: there is no JobId.
    """
    return _change(call.store.devices.reset, call, iot_id, product_key, device_name)


@operation("GetDeviceStatus", role=Role.READER, inline=True)
def get_device_status(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Return a device's status, and since when it has it, in milliseconds since 1970 UTC.

    The vendor does not say what the Timestamp of a device is that was never connected: here it is when it was
    registered.
    """
    _, device = select_device(call, iot_id, product_key, device_name)
    return {"Data": {"Status": Status(device.status).name, "Timestamp": _since(device)}}


@operation("BatchGetDeviceState", role=Role.READER)
def batch_get_device_state(
    call: Call,
    iot_id: list[str] | None = None,
    product_key: str | None = None,
    device_name: list[str] | None = None,
) -> Answer:
    """Return the status of up to 50 devices, by IotId (of any products) or by ProductKey and DeviceName; IotId wins.

    Any device that does not exist refuses the call; the vendor does not say what it does. `LastOnlineTime` is in
    Beijing time (UTC+8). Unlike the vendor's, it has no AsAddress.
    """
    named = iot_id or device_name or []
    if not named:
        raise NO_DEVICE_NAMES()
    if len(named) > _STATES_PER_CALL:
        raise TOO_MANY_SELECTED(count=len(named), most=_STATES_PER_CALL)
    if iot_id:
        devices = [select_device(call, one, None, None)[1] for one in iot_id]
    else:
        devices = [select_device(call, None, product_key, one)[1] for one in named]
    return {"DeviceStatusList": {"DeviceStatus": [_state(call, device) for device in devices]}}


def _change(
    change: Callable[[Device, int], bool],
    call: Call,
    iot_id: str | None,
    product_key: str | None,
    device_name: str | None,
) -> Answer:
    _, device = select_device(call, iot_id, product_key, device_name)
    if not change(device, call.now()):
        raise DEVICE_NOT_FOUND()
    return {}


def _state(call: Call, device: Device) -> dict[str, object]:
    return {
        "Status": Status(device.status).name,
        "DeviceId": call.registry.iot_ids.device_id(device.id),
        "DeviceName": device.name,
        "IotId": call.registry.iot_ids.iot_id(device.id),
        "LastOnlineTime": beijing(device.online_at),
        "Timestamp": _since(device),
    }


def _since(device: Device) -> int:
    return device.created_at if device.status_at is None else device.status_at
