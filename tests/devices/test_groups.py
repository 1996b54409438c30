"""Groups of devices: three levels, and how many there may be of everything."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from nameplate.domain.labels import DEVICES_PER_GROUP
from nameplate.operations.groups import NamedDevice
from nameplate.refusal import RefusedError
from nameplate.store.database import retried
from nameplate.store.schema import device_group
from tests.support.account import Account

MANY = """
INSERT INTO group_member (group_id, device_id)
WITH RECURSIVE many (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM many WHERE number < :last)
SELECT CAST(:group AS INTEGER), -number FROM many
"""
REFUSED = "iot.common.InvalidFormattedParameter"


def create(account: Account, name: str = "", above: str | None = None) -> str:
    """Create a group and return its GroupId."""
    chosen = name or f"g_{uuid4().hex[:20]}"
    made = account.call("CreateDeviceGroup", group_name=chosen, super_group_id=above)
    return str(made["Data"]["GroupId"])


def add(account: Account, group: str, product: str, names: Sequence[str]) -> tuple[int, int, int, int]:
    """Returns how many devices are valid, were added, were in it already, are in too many."""
    devices = [NamedDevice(product, name) for name in names]
    answer = account.call("BatchAddDeviceGroupRelations", group_id=group, device=devices)
    counts = (
        "ValidDeviceCount",
        "SuccessAddedDeviceCount",
        "AlreadyRelatedGroupDeviceCount",
        "ExceedTenGroupDeviceCount",
    )
    valid, added, already, exceeding = (answer[name] for name in counts)
    return valid, added, already, exceeding


def members(account: Account, group: str) -> list[str]:
    answer = account.call("QueryDeviceListByDeviceGroup", group_id=group, page_size=50)
    assert answer["Total"] == account.call("QueryDeviceGroupInfo", group_id=group)["Data"]["DeviceCount"]
    return [device["DeviceName"] for device in answer["Data"]["SimpleDeviceInfo"]]


def groups_of(account: Account, product: str, name: str) -> list[str]:
    answer = account.call("QueryDeviceGroupByDevice", product_key=product, device_name=name)
    return [group["GroupId"] for group in answer["GroupInfos"]["GroupInfo"]]


def test_a_group_is_created_described_and_deleted(account: Account) -> None:
    made = account.call("CreateDeviceGroup", group_name="pumps_水", group_desc="first")["Data"]
    info = account.call("QueryDeviceGroupInfo", group_id=made["GroupId"])["Data"]
    assert info == {**made, "DeviceCount": 0, "DeviceOnline": 0, "DeviceActive": 0}
    for text_ in ("second \\0 \0", "", None):
        account.call("UpdateDeviceGroup", group_id=made["GroupId"], group_desc=text_)
        assert account.call("QueryDeviceGroupInfo", group_id=made["GroupId"])["Data"].get("GroupDesc") == (
            text_ or None
        )
    account.call("DeleteDeviceGroup", group_id=made["GroupId"])
    for action in ("QueryDeviceGroupInfo", "UpdateDeviceGroup", "DeleteDeviceGroup", "QueryDeviceListByDeviceGroup"):
        assert account.refusal(action, group_id=made["GroupId"]) == REFUSED


@pytest.mark.parametrize("name", ["abc", "a" * 31, "水" * 16, "a b c d", "", "nul\0nul", "pump-1"])
def test_a_bad_name_is_refused(account: Account, name: str) -> None:
    assert account.refusal("CreateDeviceGroup", group_name=name) == REFUSED


@pytest.mark.parametrize("name", ["nobody", "nul\0", "\\", "'; --", "%"])
def test_a_name_that_no_group_has_finds_none(account: Account, name: str) -> None:
    create(account)
    assert account.call("QueryDeviceGroupList", group_name=name)["Total"] == 0
    assert account.refusal("QueryDeviceGroupInfo", group_id=name) == REFUSED


def test_groups_are_listed_by_name_and_by_the_group_they_are_in(account: Account) -> None:
    above = create(account)
    names = [f"below_{number}" for number in range(3)]
    below = [create(account, name, above) for name in names]
    create(account, names[0])

    def listed(**which: object) -> list[str]:
        pages = [account.call("QueryDeviceGroupList", page_size=2, current_page=page, **which) for page in (1, 2)]
        assert {page["Total"] for page in pages} == {sum(len(page["Data"]["GroupInfo"]) for page in pages)}
        return [group["GroupId"] for page in pages for group in page["Data"]["GroupInfo"]]

    assert listed(super_group_id=above) == below[::-1]
    assert listed(super_group_id=above, group_name=names[0]) == below[:1]
    assert len(listed(group_name=names[0])) == 2
    assert account.call("QueryDeviceGroupList", group_types=["LINK_PLATFORM_DYNAMIC"])["Total"] == 0


def test_groups_are_three_levels_deep(account: Account) -> None:
    first = create(account)
    second = create(account, above=first)
    third = create(account, above=second)
    assert account.refusal("CreateDeviceGroup", group_name="fourth", super_group_id=third) == REFUSED
    assert account.refusal("DeleteDeviceGroup", group_id=first) == REFUSED
    for group in (third, second, first):
        account.call("DeleteDeviceGroup", group_id=group)


def test_a_group_has_a_hundred_groups_also_if_many_are_created_at_once(account: Account) -> None:
    above = create(account)
    for _ in range(95):
        create(account, above=above)

    def attempt(_: int) -> str:
        try:
            return retried(lambda: create(account, above=above))
        except RefusedError as refused:
            return refused.code

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(attempt, range(10)))
    assert ended.count(REFUSED) == 5
    assert account.call("QueryDeviceGroupList", super_group_id=above)["Total"] == 100


def test_an_account_has_a_thousand_groups(stranger: Account) -> None:
    create(stranger)
    rows = [
        {"id": 10_000 + number, "account_id": stranger.id, "key": uuid4().hex[:16], "name": "many", "created_at": 0}
        for number in range(998)
    ]
    with stranger.registry.store.database.transaction() as connection:
        connection.execute(device_group.insert(), rows)
    create(stranger)
    assert stranger.refusal("CreateDeviceGroup", group_name="one_more") == REFUSED
    group = stranger.call("QueryDeviceGroupList", page_size=1)["Data"]["GroupInfo"][0]["GroupId"]
    stranger.call("DeleteDeviceGroup", group_id=group)
    create(stranger)


def test_devices_are_added_once_and_those_that_do_not_exist_are_left_out(account: Account, key: str) -> None:
    other = account.product()
    account.register(key, "pump-1", "pump-2")
    account.register(other, "pump-1")
    group = create(account)
    assert add(account, group, key, ["pump-1", "pump-1", "nobody", "no"]) == (1, 1, 0, 0)
    assert add(account, group, key, ["pump-1", "pump-2"]) == (2, 1, 1, 0)
    assert add(account, group, other, ["pump-1"]) == (1, 1, 0, 0)
    assert members(account, group) == ["pump-1", "pump-2", "pump-1"]
    removed = [NamedDevice(key, name) for name in ("pump-1", "nobody")]
    answer = account.call("BatchDeleteDeviceGroupRelations", group_id=group, device=removed)
    assert (answer["ValidDeviceCount"], answer["SuccessDeviceCount"]) == (1, 1)
    assert members(account, group) == ["pump-1", "pump-2"]
    about = {"group_id": group, "product_key": other}
    assert account.call("QueryDeviceStatistics", **about)["Data"]["deviceCount"] == 1


def test_a_device_is_in_ten_groups_also_if_many_add_it_at_once(account: Account, key: str) -> None:
    account.register(key, "pump-1")
    groups = [create(account) for _ in range(14)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda group: retried(lambda: add(account, group, key, ["pump-1"])), groups))
    assert sorted(counts) == [(1, 0, 0, 1)] * 4 + [(1, 1, 0, 0)] * 10
    assert len(groups_of(account, key, "pump-1")) == 10


def test_a_call_adds_two_hundred(account: Account, key: str) -> None:
    names = [f"pump-{number:03}" for number in range(201)]
    account.register(key, *names)
    group = create(account)
    devices = [NamedDevice(key, name) for name in names]
    for action in ("BatchAddDeviceGroupRelations", "BatchDeleteDeviceGroupRelations"):
        assert account.refusal(action, group_id=group, device=devices) == "iot.device.DeviceCountExceeded"
        assert account.refusal(action, group_id=group) == "iot.device.NoneDeviceNameElement"
    assert add(account, group, key, names[:200]) == (200, 200, 0, 0)
    pages = [
        account.call("QueryDeviceListByDeviceGroup", group_id=group, page_size=50, current_page=page)
        for page in range(1, 6)
    ]
    listed = [device["DeviceName"] for page in pages for device in page["Data"]["SimpleDeviceInfo"]]
    assert listed == names[199::-1]


def test_a_group_has_a_hundred_thousand_devices(account: Account, key: str) -> None:
    account.register(key, "pump-1", "pump-2", "pump-3")
    group = create(account)
    found = account.registry.store.groups.find(group)
    assert found is not None
    # Members that are no devices: only how many there are counts here.
    with account.registry.store.database.transaction() as connection:
        connection.execute(text(MANY), {"group": found.id, "last": DEVICES_PER_GROUP - 2})
    assert add(account, group, key, ["pump-1"]) == (1, 1, 0, 0)
    three = [NamedDevice(key, name) for name in ("pump-1", "pump-2", "pump-3")]
    assert account.refusal("BatchAddDeviceGroupRelations", group_id=group, device=three) == REFUSED
    assert groups_of(account, key, "pump-2") == []
    assert add(account, group, key, ["pump-1", "pump-2"]) == (2, 1, 1, 0)
    account.call("DeleteDeviceGroup", group_id=group)
    assert groups_of(account, key, "pump-1") == []


def test_a_deleted_device_is_in_no_group_and_a_deleted_group_keeps_its_devices(account: Account, key: str) -> None:
    account.register(key, "pump-1", "pump-2")
    group, other = create(account), create(account)
    for one in (group, other):
        add(account, one, key, ["pump-1", "pump-2"])
    account.call("DeleteDevice", product_key=key, device_name="pump-1")
    assert members(account, group) == members(account, other) == ["pump-2"]
    account.register(key, "pump-1")
    assert groups_of(account, key, "pump-1") == []
    account.call("DeleteDeviceGroup", group_id=group)
    assert groups_of(account, key, "pump-2") == [other]
    with account.registry.store.database.transaction() as connection:
        lost = "SELECT count(*) FROM group_member WHERE device_id > 0 AND device_id NOT IN (SELECT id FROM device)"
        assert connection.execute(text(lost)).scalar_one() == 0


def test_groups_and_devices_that_come_and_go_at_once_leave_nothing_behind(account: Account, key: str) -> None:
    names = [f"pump-{number:02}" for number in range(20)]
    account.register(key, *names)
    groups = [create(account) for _ in range(4)]

    def add_all(group: str) -> None:
        for start in range(0, 20, 5):
            retried(lambda start=start: add(account, group, key, names[start : start + 5]))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def delete(name: str) -> None:
        retried(lambda: account.call("DeleteDevice", product_key=key, device_name=name))

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(add_all, group) for group in groups] + [pool.submit(delete, name) for name in names[::2]]
        for one in working:
            one.result()
    for group in groups:
        assert sorted(members(account, group)) == names[1::2]
