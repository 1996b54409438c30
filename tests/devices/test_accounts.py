"""Whatever is another account's is refused, by every operation that can name it."""

from typing import Any

import pytest

from nameplate.domain.access import Role
from nameplate.operations.devices import DeviceNickname
from nameplate.operations.groups import NamedDevice
from nameplate.operations.imports import Credentials
from nameplate.operations.tags import TagPair
from nameplate.wire.operation import OPERATIONS, Operation
from tests.support.account import Account, operations

assert operations  # importing it declares every operation

DENIED = "iot.common.AuthActionPermissionDeny"
NO_BATCH = "iot.device.DeviceApplyIsNotFound"
NO_GROUP = "iot.common.InvalidFormattedParameter"
NAMES_NOTHING = {"CreateProduct", "QueryProductList", "QueryDeviceByTags", "QueryDeviceGroupList", "CreateDeviceGroup"}
CHANGES_NOTHING = {"BatchCheckImportDevice"}


class Theirs:
    """What the stranger has."""

    def __init__(self, stranger: Account) -> None:
        self.product = stranger.product()
        (self.iot_id,) = stranger.register(self.product, "pump-1")
        call = {"product_key": self.product, "device_name": ["pump-2"]}
        self.batch = stranger.call("BatchCheckDeviceNames", **call)["Data"]["ApplyId"]
        rows = [Credentials("pump-3", "its-own")]
        imported = stranger.call("BatchImportDevice", product_key=self.product, device_list=rows)
        self.imported = imported["Data"]["ApplyId"]
        stranger.work()
        self.group = stranger.call("CreateDeviceGroup", group_name="theirs")["Data"]["GroupId"]
        stranger.call("SaveDeviceProp", props='{"colour":"red"}', iot_id=self.iot_id)

    def arguments(self, operation: Operation) -> dict[str, Any]:
        """Name what is the stranger's wherever an operation can."""
        is_import = operation.action == "QueryImportedDeviceByApplyId"
        texts: dict[str, Any] = {
            "product_key": self.product,
            "apply_id": self.imported if is_import else self.batch,
            "group_id": self.group,
            "device_name": "pump-1",
            "product_name": "stolen",
            "group_desc": "stolen",
            "props": '{"colour":"blue"}',
            "prop_key": "colour",
            "device_secret": "its-own",
            "count": 1,
            "page_no": 1,
            "page_size": 10,
            "status": 0,
            "device_list": [Credentials("pump-9", "its-own")],
            "device_nickname_info": [DeviceNickname(product_key=self.product, device_name="pump-1", nickname="mine")],
            "device": [NamedDevice(self.product, "pump-1")],
        }
        plural = {"BatchQueryDeviceDetail", "BatchGetDeviceState", "BatchCheckDeviceNames"}
        if operation.action in plural:
            texts["device_name"] = ["pump-1"]
        known = {parameter.argument for parameter in operation.parameters}
        return {name: value for name, value in texts.items() if name in known}


@pytest.fixture(scope="module")
def theirs(stranger: Account) -> Theirs:
    return Theirs(stranger)


def everything(stranger: Account, theirs: Theirs) -> list[Any]:
    about = {"product_key": theirs.product}
    return [
        stranger.call("QueryProduct", **about),
        stranger.call("QueryDevice", **about),
        stranger.call("QueryDeviceProp", iot_id=theirs.iot_id),
        stranger.call("QueryDeviceGroupInfo", group_id=theirs.group),
        stranger.call("QueryBatchRegisterDeviceStatus", **about, apply_id=theirs.batch),
    ]


@pytest.mark.parametrize("action", sorted(set(OPERATIONS) - NAMES_NOTHING))
def test_what_is_anothers_is_refused_and_stays_as_it_is(
    account: Account, stranger: Account, theirs: Theirs, action: str
) -> None:
    before = everything(stranger, theirs)
    arguments = theirs.arguments(OPERATIONS[action])
    code = account.refusal(action, **arguments)
    if "group_id" in arguments and "product_key" not in arguments:
        assert code == NO_GROUP
    elif "apply_id" in arguments:
        assert code == NO_BATCH
    else:
        assert code == DENIED
    account.work()
    assert everything(stranger, theirs) == before


SELECTED = sorted(
    action for action, operation in OPERATIONS.items() if {"iot_id"} & {one.argument for one in operation.parameters}
)


@pytest.mark.parametrize("action", SELECTED)
def test_a_device_of_another_account_is_refused_by_its_iot_id(
    account: Account, stranger: Account, theirs: Theirs, action: str
) -> None:
    before = everything(stranger, theirs)
    arguments = theirs.arguments(OPERATIONS[action])
    chosen = [theirs.iot_id] if action == "BatchGetDeviceState" else theirs.iot_id
    kept = {name: arguments[name] for name in ("props", "prop_key") if name in arguments}
    assert account.refusal(action, iot_id=chosen, **kept) == DENIED
    assert everything(stranger, theirs) == before


def test_a_device_of_another_account_is_refused_in_a_row(account: Account, theirs: Theirs, key: str) -> None:
    account.register(key, "mine-1")
    rows = [DeviceNickname(product_key=key, device_name="mine-1", nickname="changed")]
    for row in (DeviceNickname(iot_id=theirs.iot_id), DeviceNickname(product_key=theirs.product, device_name="pump-1")):
        assert account.refusal("BatchUpdateDeviceNickname", device_nickname_info=[*rows, row]) == DENIED
    assert "Nickname" not in account.call("QueryDeviceInfo", product_key=key, device_name="mine-1")["Data"]
    group = account.call("CreateDeviceGroup", group_name="mine")["Data"]["GroupId"]
    devices = [NamedDevice(key, "mine-1"), NamedDevice(theirs.product, "pump-1")]
    assert account.refusal("BatchAddDeviceGroupRelations", group_id=group, device=devices) == DENIED
    assert account.call("QueryDeviceGroupInfo", group_id=group)["Data"]["DeviceCount"] == 0


def test_a_group_of_another_account_is_no_super_group(account: Account, theirs: Theirs) -> None:
    for action, more in (("CreateDeviceGroup", {"group_name": "mine"}), ("QueryDeviceGroupList", {})):
        assert account.refusal(action, super_group_id=theirs.group, **more) == NO_GROUP


def test_lists_hold_what_is_ones_own(account: Account, stranger: Account, theirs: Theirs, key: str) -> None:
    account.register(key, "mine-1")
    account.call("SaveDeviceProp", product_key=key, device_name="mine-1", props='{"colour":"red"}')
    red = [TagPair("colour", "red")]
    for one, product in ((account, key), (stranger, theirs.product)):
        found = one.call("QueryDeviceByTags", tag=red)
        assert {device["ProductKey"] for device in found["Data"]["SimpleDeviceInfo"]} == {product}
        products = one.call("QueryProductList", current_page=1, page_size=200)["Data"]["List"]["ProductInfo"]
        keys = {listed["ProductKey"] for listed in products}
        assert product in keys
        assert not keys & ({key, theirs.product} - {product})
    groups = stranger.call("QueryDeviceGroupList", page_size=200)["Data"]["GroupInfo"]
    assert [group["GroupId"] for group in groups] == [theirs.group]
    assert stranger.call("QueryDeviceStatistics")["Data"]["deviceCount"] == 2


@pytest.mark.parametrize("action", sorted(OPERATIONS))
def test_only_what_changes_nothing_is_for_readers_and_products_are_for_admins(action: str) -> None:
    asks = action.startswith(("Query", "Get", "BatchQuery", "BatchGet")) or action in CHANGES_NOTHING
    expected = Role.READER if asks else Role.REGISTRAR
    if action in {"CreateProduct", "UpdateProduct", "DeleteProduct"}:
        expected = Role.ADMIN
    assert OPERATIONS[action].role is expected
