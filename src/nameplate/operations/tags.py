"""Tags, which the wire calls props."""

import json
from typing import Annotated, NamedTuple

import orjson

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.labels import PROPS_BYTES, TAGS_PER_DEVICE, TAGS_PER_QUERY, VALUE_LENGTH, is_tag_key, tag_value
from nameplate.errors import (
    DEVICE_NOT_FOUND,
    INVALID_PROP_KEY,
    INVALID_PROPS,
    INVALID_TAGS,
    LONG_PROPS,
    NO_PROPS,
    NULL_PROP_KEY,
    NULL_PROPS,
    TOO_MANY_PROPS,
)
from nameplate.operations.parameters import check_range, paging
from nameplate.operations.selection import select_device, simple_device
from nameplate.wire.operation import IfEmpty, operation

_PAGE_SIZE = 50

Props = Annotated[str, IfEmpty(NULL_PROPS)]
PropKey = Annotated[str, IfEmpty(NULL_PROP_KEY)]


class TagPair(NamedTuple):
    """One row of Tag."""

    tag_key: str
    tag_value: str


@operation("SaveDeviceProp", role=Role.REGISTRAR)
def save_device_prop(
    call: Call,
    props: Props,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Add tags to a device, or give them other values: a JSON object of at most 5 KB, 100 tags per device in all.

    A value is a text, a number or a boolean, at most 128 characters long, and is kept as text.
    """
    tags = _read(props)
    product, device = select_device(call, iot_id, product_key, device_name)
    if not call.store.tags.save(call.account_id, device.id, product.id, device.name, tags):
        raise DEVICE_NOT_FOUND()
    return {}


@operation("QueryDeviceProp", role=Role.READER)
def query_device_prop(
    call: Call,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Return a device's tags as the text of a JSON object, in the order of their keys; `{}` if it has none."""
    _, device = select_device(call, iot_id, product_key, device_name)
    return {"Props": orjson.dumps(call.store.tags.of(device.id)).decode()}


@operation("DeleteDeviceProp", role=Role.REGISTRAR)
def delete_device_prop(
    call: Call,
    prop_key: PropKey,
    iot_id: str | None = None,
    product_key: str | None = None,
    device_name: str | None = None,
) -> Answer:
    """Take one tag away from a device; nothing happens if it is not there."""
    _, device = select_device(call, iot_id, product_key, device_name)
    if not is_tag_key(prop_key):
        raise INVALID_PROP_KEY(key=prop_key[:64])
    call.store.tags.remove(device.id, prop_key)
    return {}


@operation("QueryDeviceByTags", role=Role.READER)
def query_device_by_tags(
    call: Call, tag: list[TagPair] | None = None, current_page: int = 1, page_size: int = 10
) -> Answer:
    """Return one page of the account's devices that have all of 1 to 10 tags, newest first; PageSize is 1 to 50."""
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    check_range("CurrentPage", current_page, 1, 10**9)
    wanted = list(dict.fromkeys((pair.tag_key, pair.tag_value) for pair in tag or []))
    if not 1 <= len(wanted) <= TAGS_PER_QUERY:
        raise INVALID_TAGS(problem=f"send 1 to {TAGS_PER_QUERY} tags")
    total = call.store.tags.count(call.account_id, wanted)
    found = call.store.tags.find(call.account_id, wanted, (current_page - 1) * page_size, page_size)
    devices = [simple_device(call, number) for number in found]
    listed = [device for device in devices if device is not None]
    return {**paging(current_page, page_size, total), "Data": {"SimpleDeviceInfo": listed}}


def _read(props: str) -> dict[str, str]:
    if len(props.encode()) > PROPS_BYTES:
        raise LONG_PROPS(most=PROPS_BYTES)
    try:
        found = json.loads(props, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise INVALID_PROPS(problem="send a JSON object")
    if not found:
        raise NO_PROPS()
    if len(found) > TAGS_PER_DEVICE:
        raise TOO_MANY_PROPS(most=TAGS_PER_DEVICE)
    return {key: _value(key, value) for key, value in found.items()}


def _value(key: str, value: object) -> str:
    if not is_tag_key(key):
        raise INVALID_PROP_KEY(key=key[:64])
    text = tag_value(value)
    if text is None:
        problem = f"the value of {key} is to be a text, number or boolean of at most {VALUE_LENGTH} characters"
        raise INVALID_PROPS(problem=problem)
    return text
