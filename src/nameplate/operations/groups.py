"""Groups of devices."""

from typing import Any, NamedTuple

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.labels import GROUP_KEY_LENGTH, is_group_name
from nameplate.domain.names import DESCRIPTION_LENGTH, is_device_name
from nameplate.domain.secrets import mint_text
from nameplate.errors import GROUP_NOT_FOUND, INVALID_GROUP, NO_DEVICE_NAMES, TOO_MANY_SELECTED
from nameplate.operations.parameters import ProductKey, check_range, paging, utc
from nameplate.operations.selection import select_device, simple_device
from nameplate.store.groups import Group, Member
from nameplate.wire.operation import operation

_DEVICES_PER_CALL = 200
_DEVICES_PER_PAGE = 50
_GROUPS_PER_PAGE = 200
_STATIC = "LINK_PLATFORM"
_DYNAMIC = "LINK_PLATFORM_DYNAMIC"


class NamedDevice(NamedTuple):
    """One row of Device."""

    product_key: str
    device_name: str


@operation("CreateDeviceGroup", role=Role.REGISTRAR)
def create_device_group(
    call: Call, group_name: str, group_desc: str | None = None, super_group_id: str | None = None
) -> Answer:
    """Create a group, in another one if SuperGroupId is sent: 3 levels deep, 100 in a group, 1,000 in all."""
    if not is_group_name(group_name):
        problem = "4 to 30 Chinese characters (each counts 2), letters, digits and underscores"
        raise INVALID_GROUP(where="GroupName", problem=problem)
    _check_description(group_desc)
    group = Group(
        id=call.store.counters.mint("group"),
        account_id=call.account_id,
        key=mint_text(GROUP_KEY_LENGTH),
        name=group_name,
        description=group_desc or None,
        parent_id=find_group(call, super_group_id, "SuperGroupId").id if super_group_id else None,
        created_at=call.now(),
    )
    call.store.groups.add(group)
    return {"Data": _fields(group)}


@operation("QueryDeviceGroupList", role=Role.READER)
def query_device_group_list(
    call: Call,
    group_name: str | None = None,
    super_group_id: str | None = None,
    group_types: list[str] | None = None,
    page_size: int = 10,
    current_page: int = 1,
) -> Answer:
    """Return one page of the account's groups, newest first; PageSize is 1 to 200.

    GroupName is matched exactly, as in the vendor's newest description; older ones say fuzzily. Unlike the vendor's,
    there are no dynamic groups: if only those are asked for, there are none.
    """
    check_range("PageSize", page_size, 1, _GROUPS_PER_PAGE)
    check_range("CurrentPage", current_page, 1, 10**9)
    parent_id = find_group(call, super_group_id, "SuperGroupId").id if super_group_id else None
    total, groups = 0, list[Group]()
    if not group_types or set(group_types) != {_DYNAMIC}:
        skip = (current_page - 1) * page_size
        total, groups = call.store.groups.page(call.account_id, group_name or None, parent_id, skip, page_size)
    pages = paging(current_page, page_size, total)
    return {
        "CurrentPage": pages.pop("Page"),
        **pages,
        "Data": {"GroupInfo": [_info(group) for group in groups]},
    }


@operation("QueryDeviceGroupInfo", role=Role.READER)
def query_device_group_info(call: Call, group_id: str) -> Answer:
    """Return a group, and how many devices it has, are connected, and have ever been.

    Unlike the vendor's, it does not read GroupType: there are no dynamic groups and no DynamicGroupExpression.
    """
    group = find_group(call, group_id)
    devices, online, active = call.store.groups.count(group)
    return {"Data": _fields(group) | {"DeviceCount": devices, "DeviceOnline": online, "DeviceActive": active}}


@operation("UpdateDeviceGroup", role=Role.REGISTRAR)
def update_device_group(call: Call, group_id: str, group_desc: str | None = None) -> Answer:
    """Give a group another description, or none.

    Unlike the vendor's, it does not read GroupType: there are no dynamic groups.
    """
    _check_description(group_desc)
    if not call.store.groups.describe(find_group(call, group_id), group_desc or None):
        raise GROUP_NOT_FOUND(where="GroupId")
    return {}


@operation("DeleteDeviceGroup", role=Role.REGISTRAR)
def delete_device_group(call: Call, group_id: str) -> Answer:
    """Delete a group that has no groups in it; its devices stay.

    The vendor documents no codes for groups: here they are refused with `iot.common.InvalidFormattedParameter`.
    """
    if not call.store.groups.delete(find_group(call, group_id)):
        raise GROUP_NOT_FOUND(where="GroupId")
    return {}


@operation("BatchAddDeviceGroupRelations", role=Role.REGISTRAR)
def batch_add_device_group_relations(call: Call, group_id: str, device: list[NamedDevice] | None = None) -> Answer:
    """Add up to 200 devices to a group, of 100,000 at most; a device may be in 10 groups.

    Devices that do not exist are left out: ValidDeviceCount says how many do.
    """
    group, members = find_group(call, group_id), _members(call, device)
    result = call.store.groups.add_members(group, members)
    failed = len(members) - result.added
    return {
        "ValidDeviceCount": len(members),
        "SuccessAddedDeviceCount": result.added,
        "AlreadyRelatedGroupDeviceCount": result.already,
        "ExceedTenGroupDeviceCount": result.in_too_many,
        "ErrorMessage": f"{result.added} devices have been added, and {failed} devices failed to be added.",
    }


@operation("BatchDeleteDeviceGroupRelations", role=Role.REGISTRAR)
def batch_delete_device_group_relations(call: Call, group_id: str, device: list[NamedDevice] | None = None) -> Answer:
    """Take up to 200 devices out of a group.

    ValidDeviceCount says how many of them exist, AlreadyRelatedGroupDeviceCount how many were in the group.
    """
    group, members = find_group(call, group_id), _members(call, device)
    removed = call.store.groups.remove_members(group, members)
    return {
        "ValidDeviceCount": len(members),
        "SuccessDeviceCount": removed,
        "AlreadyRelatedGroupDeviceCount": removed,
    }


@operation("QueryDeviceListByDeviceGroup", role=Role.READER)
def query_device_list_by_device_group(call: Call, group_id: str, page_size: int = 10, current_page: int = 1) -> Answer:
    """Return one page of a group's devices, newest first; PageSize is 1 to 50, of which the vendor says nothing."""
    check_range("PageSize", page_size, 1, _DEVICES_PER_PAGE)
    check_range("CurrentPage", current_page, 1, 10**9)
    group = find_group(call, group_id)
    total = call.store.groups.size(group)
    numbers = call.store.groups.members(group, (current_page - 1) * page_size, page_size)
    devices = [simple_device(call, number) for number in numbers]
    listed = [device for device in devices if device is not None]
    return {**paging(current_page, page_size, total), "Data": {"SimpleDeviceInfo": listed}}


@operation("QueryDeviceGroupByDevice", role=Role.READER)
def query_device_group_by_device(call: Call, product_key: ProductKey, device_name: str) -> Answer:
    """Return the groups that a device is in, newest first."""
    _, device = select_device(call, None, product_key, device_name)
    return {"GroupInfos": {"GroupInfo": [_info(group) for group in call.store.groups.of_device(device.id)]}}


def find_group(call: Call, group_id: str, where: str = "GroupId") -> Group:
    """Return the caller's group with this GroupId.

    Raises INVALID_GROUP.
    """
    group = call.store.groups.find(group_id)
    if group is None or group.account_id != call.account_id:
        raise GROUP_NOT_FOUND(where=where)
    return group


def _check_description(text: str | None) -> None:
    if text is not None and len(text) > DESCRIPTION_LENGTH:
        raise INVALID_GROUP(where="GroupDesc", problem=f"it is longer than {DESCRIPTION_LENGTH} characters")


def _members(call: Call, rows: list[NamedDevice] | None) -> list[Member]:
    """Return the devices that are named and exist, each once."""
    if not rows:
        raise NO_DEVICE_NAMES()
    if len(rows) > _DEVICES_PER_CALL:
        raise TOO_MANY_SELECTED(count=len(rows), most=_DEVICES_PER_CALL)
    products = {key: call.product(key).id for key in {row.product_key for row in rows}}
    members = set()
    for row in rows:
        product_id, name = products[row.product_key], row.device_name
        device = call.store.devices.find_name(product_id, name) if is_device_name(name) else None
        if device is not None:
            members.add(Member(device.id, product_id, name))
    return sorted(members)


def _fields(group: Group) -> dict[str, Any]:
    description = {} if group.description is None else {"GroupDesc": group.description}
    return {"GroupId": group.key, "GroupName": group.name, **description, "UtcCreate": utc(group.created_at)}


def _info(group: Group) -> dict[str, Any]:
    return _fields(group) | {"GroupType": _STATIC}
