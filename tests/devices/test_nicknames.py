"""Nicknames of many devices at once: all or none."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from nameplate.operations.devices import DeviceNickname
from nameplate.store.database import retried
from tests.support.account import Account


def rename(account: Account, *rows: DeviceNickname) -> None:
    assert account.call("BatchUpdateDeviceNickname", device_nickname_info=list(rows)) == {}


def nicknames(account: Account, key: str) -> dict[str, str | None]:
    devices = account.call("QueryDevice", product_key=key, page_size=200)["Data"]["DeviceInfo"]
    return {device["DeviceName"]: device.get("Nickname") for device in devices}


def test_devices_are_named_by_iot_id_or_by_name_and_unnamed(account: Account, key: str) -> None:
    (iot_id, _) = account.register(key, "pump-1", "pump-2")
    other = account.product()
    account.register(other, "pump-1")
    rename(
        account,
        DeviceNickname(iot_id=iot_id, nickname="first"),
        DeviceNickname(product_key=key, device_name="pump-2", nickname="水泵二号"),
        DeviceNickname(product_key=other, device_name="pump-1", nickname="others"),
    )
    assert nicknames(account, key) == {"pump-1": "first", "pump-2": "水泵二号"}
    assert nicknames(account, other) == {"pump-1": "others"}
    rename(account, DeviceNickname(iot_id=iot_id), DeviceNickname(product_key=key, device_name="pump-2", nickname=""))
    assert nicknames(account, key) == {"pump-1": None, "pump-2": None}


def test_of_one_device_that_is_named_twice_the_last_row_counts(account: Account, key: str) -> None:
    (iot_id,) = account.register(key, "pump-1")
    by_name = DeviceNickname(product_key=key, device_name="pump-1", nickname="last")
    rename(account, DeviceNickname(iot_id=iot_id, nickname="first"), by_name)
    assert nicknames(account, key) == {"pump-1": "last"}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (DeviceNickname(device_name="nobody", nickname="name"), "iot.device.NotExistedDevice"),
        (DeviceNickname(device_name="pump-2", nickname="abc"), "iot.common.InvalidFormattedParameter"),
        (DeviceNickname(device_name="pump-2", nickname="a" * 33), "iot.common.InvalidFormattedParameter"),
        (DeviceNickname(device_name="no", nickname="name"), "iot.device.InvalidFormattedDeviceName"),
        (DeviceNickname(iot_id="0" * 26, nickname="name"), "iot.device.InvalidIoTId"),
        (DeviceNickname(nickname="name"), "iot.device.NullDeviceName"),
    ],
)
def test_one_bad_row_and_nothing_is_changed(account: Account, key: str, row: DeviceNickname, code: str) -> None:
    account.register(key, "pump-1", "pump-2")
    rows = [DeviceNickname(product_key=key, device_name="pump-1", nickname="changed"), row._replace(product_key=key)]
    assert account.refusal("BatchUpdateDeviceNickname", device_nickname_info=rows) == code
    assert nicknames(account, key) == {"pump-1": None, "pump-2": None}


def test_a_device_that_is_deleted_meanwhile_keeps_the_others_from_being_named(account: Account, key: str) -> None:
    account.register(key, "pump-1", "pump-2")
    devices = account.registry.store.devices
    product = account.registry.store.products.find(key)
    assert product is not None
    chosen = [devices.find_name(product.id, name) for name in ("pump-1", "pump-2")]
    account.call("DeleteDevice", product_key=key, device_name="pump-2")
    assert not devices.rename([(device, "named") for device in chosen if device is not None], 7)
    assert nicknames(account, key) == {"pump-1": None}


def test_ten_thousand_and_no_more(account: Account, key: str) -> None:
    account.call("BatchRegisterDevice", product_key=key, count=10_000)
    account.register(key, "pump-1")
    account.work()
    token, names = None, list[str]()
    while token != "":
        page = account.call("QueryDevice", product_key=key, page_size=200, next_token=token)
        names += [device["DeviceName"] for device in page["Data"]["DeviceInfo"]]
        token = page["NextToken"]
    rows = [DeviceNickname(product_key=key, device_name=name, nickname="named") for name in names]
    assert len(rows) == 10_001
    code = account.refusal("BatchUpdateDeviceNickname", device_nickname_info=rows)
    assert code == "iot.device.DeviceCountExceeded"
    rename(account, *rows[:10_000])
    assert list(nicknames(account, key).values()).count("named") >= 198


def test_calls_that_name_the_same_devices_do_not_wait_for_each_other(account: Account, key: str) -> None:
    names = [f"pump-{number:02}" for number in range(50)]
    account.register(key, *names)

    def name_all(number: int) -> None:
        order = names if number % 2 else names[::-1]
        rows = [DeviceNickname(product_key=key, device_name=name, nickname=f"name_{number}") for name in order]
        retried(lambda: rename(account, *rows))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(name_all, range(8)))
    assert len(set(nicknames(account, key).values())) == 1
