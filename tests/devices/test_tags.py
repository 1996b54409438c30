"""Tags: kept with a device, found by them, gone with it."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nameplate.operations.tags import TagPair
from nameplate.store.database import retried
from tests.support.account import Account

VALUES = ["red", "", "中文", "a" * 128, "100%_\\", "' OR 1=1 --", "nul\0nul", "\\0", "1.5", "true"]


@pytest.fixture
def pump(account: Account, key: str) -> str:
    """The IotId of a device."""
    return account.register(key, "pump-1")[0]


def save(account: Account, iot_id: str, **tags: object) -> None:
    assert account.call("SaveDeviceProp", props=json.dumps(tags), iot_id=iot_id) == {}


def tags(account: Account, iot_id: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(account.call("QueryDeviceProp", iot_id=iot_id)["Props"])
    return found


def found(account: Account, *pairs: tuple[str, str], **paging: int) -> list[str]:
    answer = account.call("QueryDeviceByTags", tag=[TagPair(*pair) for pair in pairs], **paging)
    listed = [device["IotId"] for device in answer["Data"]["SimpleDeviceInfo"]]
    assert paging or len(listed) == answer["Total"]
    return listed


def test_tags_are_added_and_changed_one_by_one(account: Account, pump: str) -> None:
    assert tags(account, pump) == {}
    save(account, pump, colour="red", size=10)
    save(account, pump, size=11.5, spare=True, broken=False)
    assert tags(account, pump) == {"colour": "red", "size": "11.5", "spare": "true", "broken": "false"}
    account.call("DeleteDeviceProp", prop_key="size", iot_id=pump)
    account.call("DeleteDeviceProp", prop_key="size", iot_id=pump)
    assert tags(account, pump) == {"broken": "false", "colour": "red", "spare": "true"}


@pytest.mark.parametrize(
    "number", ["12345678901234567890123", "1.10", "1e2", "-0.0", "1e999", "0.1000000000000000055511"]
)
def test_a_number_is_kept_as_it_was_written(account: Account, pump: str, number: str) -> None:
    account.call("SaveDeviceProp", props=f'{{"key": {number}}}', iot_id=pump)
    assert tags(account, pump) == {"key": number}


@pytest.mark.parametrize("value", VALUES)
def test_any_text_is_kept_and_found(account: Account, pump: str, value: str) -> None:
    unique = f"k{uuid4().hex[:12]}"
    save(account, pump, **{unique: value})
    assert tags(account, pump)[unique] == value
    assert found(account, (unique, value)) == [pump]
    assert found(account, (unique, f"{value}x")) == []
    assert found(account, (unique, value), ("nul\0", value)) == []


@settings(max_examples=40)
@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9\-_.:@]{4,64}", fullmatch=True), st.text(max_size=128), max_size=20))
def test_tags_are_read_as_they_were_written(account: Account, sent: dict[str, str]) -> None:
    if not sent or sum(len(text.encode()) for text in (*sent, *sent.values())) > 4_000:
        return
    product = account.product()
    (iot_id,) = account.register(product, "pump-1")
    props = json.dumps(sent, ensure_ascii=False)
    if len(props.encode()) > 5 * 1024:
        assert account.refusal("SaveDeviceProp", props=props, iot_id=iot_id) == "iot.device.LongDevicePropertiesString"
        return
    account.call("SaveDeviceProp", props=props, iot_id=iot_id)
    assert tags(account, iot_id) == sent


def test_a_device_is_found_by_all_of_ten_tags(account: Account, key: str) -> None:
    first, second = account.register(key, "pump-1", "pump-2")
    unique = uuid4().hex[:8]
    pairs = [(f"{unique}{number}", str(number)) for number in range(10)]
    save(account, first, **dict(pairs))
    save(account, second, **dict(pairs[:9]))
    assert found(account, *pairs) == [first]
    assert found(account, *pairs[:9]) == [second, first]
    assert found(account, *pairs[:9], pairs[0]) == [second, first]
    more = [TagPair(*pair) for pair in (*pairs, ("eleventh", "1"))]
    assert account.refusal("QueryDeviceByTags", tag=more) == "iot.common.InvalidFormattedParameter"
    assert account.refusal("QueryDeviceByTags") == "iot.common.InvalidFormattedParameter"


def test_devices_that_are_found_come_by_the_page(account: Account, key: str) -> None:
    ids = account.register(key, *(f"pump-{number}" for number in range(7)))
    unique = uuid4().hex[:8]
    for iot_id in ids:
        save(account, iot_id, **{unique: "1"})
    pages = [found(account, (unique, "1"), page_size=3, current_page=page) for page in range(1, 5)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert [iot_id for page in pages for iot_id in page] == sorted(ids, reverse=True)


def test_a_hundred_tags_and_no_more(account: Account, pump: str) -> None:
    save(account, pump, **{f"key-{number}": "" for number in range(100)})
    one_more = {"props": '{"key-100":""}', "iot_id": pump}
    assert account.refusal("SaveDeviceProp", **one_more) == "iot.device.TooManyDevicePropertiesPerTime"
    save(account, pump, **{"key-0": "changed"})
    account.call("DeleteDeviceProp", prop_key="key-1", iot_id=pump)
    account.call("SaveDeviceProp", **one_more)
    assert len(tags(account, pump)) == 100


def test_many_who_add_at_once_do_not_exceed_it(account: Account, pump: str) -> None:
    def add(number: int) -> None:
        props = json.dumps({f"key-{number}-{place}": "" for place in range(30)})
        call = {"props": props, "iot_id": pump}
        retried(
            lambda: account.refusal("SaveDeviceProp", **call) if number > 2 else account.call("SaveDeviceProp", **call)
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(3)))
        list(pool.map(add, range(3, 7)))
    assert len(tags(account, pump)) == 90


def test_a_deleted_device_takes_its_tags_along(account: Account, key: str, pump: str) -> None:
    unique = uuid4().hex[:8]
    save(account, pump, **{unique: "1"})
    account.call("DeleteDevice", iot_id=pump)
    assert found(account, (unique, "1")) == []
    (again,) = account.register(key, "pump-1")
    assert again != pump
    assert tags(account, again) == {}
    assert account.refusal("QueryDeviceProp", iot_id=pump) == "iot.device.NotExistedDevice"


BAD = {
    "null": "iot.device.InvalidFormattedDevicePropertiesString",
    "[]": "iot.device.InvalidFormattedDevicePropertiesString",
    '"text"': "iot.device.InvalidFormattedDevicePropertiesString",
    "{": "iot.device.InvalidFormattedDevicePropertiesString",
    "{}": "iot.device.NoneDeviceProperties",
    '{"key": null}': "iot.device.InvalidFormattedDevicePropertiesString",
    '{"key": {}}': "iot.device.InvalidFormattedDevicePropertiesString",
    '{"key": "\\ud800"}': "iot.device.InvalidFormattedDevicePropertiesString",
    json.dumps({"key": "a" * 129}): "iot.device.InvalidFormattedDevicePropertiesString",
    '{"key": NaN}': "iot.device.InvalidFormattedDevicePropertiesString",
    "[" * 5000: "iot.device.InvalidFormattedDevicePropertiesString",
    '{"key": ' + "9" * 129 + "}": "iot.device.InvalidFormattedDevicePropertiesString",
    '{"": "1"}': "iot.device.InvalidFormattedDevicePropertyKey",
    '{"a key": "1"}': "iot.device.InvalidFormattedDevicePropertyKey",
    '{"abc": "1"}': "iot.device.InvalidFormattedDevicePropertyKey",
    '{"key\\u0000": "1"}': "iot.device.InvalidFormattedDevicePropertyKey",
    json.dumps({"k" * 65: "1"}): "iot.device.InvalidFormattedDevicePropertyKey",
    json.dumps({f"{number}": "" for number in range(101)}): "iot.device.TooManyDevicePropertiesPerTime",
    json.dumps({f"key-{number}": "a" * 100 for number in range(60)}): "iot.device.LongDevicePropertiesString",
}


@pytest.mark.parametrize("props", BAD, ids=range(len(BAD)))
def test_what_cannot_be_tags_is_refused(account: Account, pump: str, props: str) -> None:
    assert account.refusal("SaveDeviceProp", props=props, iot_id=pump) == BAD[props]
    assert tags(account, pump) == {}
