"""Products: listed, renamed, and deleted when nothing needs them; and the devices that are deleted before."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from nameplate.operations.imports import Credentials
from nameplate.refusal import RefusedError
from nameplate.store.database import retried
from tests.support.account import Account

IN_USE = "iot.prod.DeleteProductFailed"
GONE = "iot.prod.NotExistedProduct"


def submit(account: Account, key: str, *names: str) -> int:
    return int(account.call("BatchCheckDeviceNames", product_key=key, device_name=list(names))["Data"]["ApplyId"])


def state(account: Account, key: str, batch: int) -> str:
    return str(account.call("QueryBatchRegisterDeviceStatus", product_key=key, apply_id=batch)["Data"]["Status"])


def attempt(account: Account, action: str, **arguments: Any) -> str:
    """Call and return the code; empty if it succeeded."""
    try:
        retried(lambda: account.call(action, **arguments))
    except RefusedError as refused:
        return refused.code
    return ""


def test_a_deleted_product_is_gone_for_everyone(account: Account) -> None:
    key = account.product("deleted_once")
    account.call("DeleteProduct", product_key=key)
    about = {"product_key": key}
    for action, more in (
        ("QueryProduct", {}),
        ("UpdateProduct", {"product_name": "renamed"}),
        ("DeleteProduct", {}),
        ("RegisterDevice", {}),
        ("QueryDevice", {}),
        ("BatchRegisterDevice", {"count": 1}),
        ("BatchCheckDeviceNames", {"device_name": ["pump-1"]}),
        ("ImportDevice", {"device_name": "pump-1", "device_secret": "its-own"}),
        ("BatchImportDevice", {"device_list": [Credentials("pump-1", "its-own")]}),
        ("QueryDeviceStatistics", {}),
        ("QueryDeviceByStatus", {"status": 0}),
    ):
        assert account.refusal(action, **about, **more) == GONE, action
    listed = account.call("QueryProductList", current_page=1, page_size=200)["Data"]["List"]["ProductInfo"]
    assert key not in {product["ProductKey"] for product in listed}


def test_the_name_of_a_deleted_product_may_be_used_again_but_not_its_key(account: Account) -> None:
    first = account.product("used_again")
    account.call("DeleteProduct", product_key=first)
    second = account.product("used_again")
    assert second != first
    code = account.refusal("CreateProduct", product_name="used_again", node_type=0)
    assert code == "iot.prod.AlreadyExistedProductName"
    account.call("DeleteProduct", product_key=second)
    account.product("used_again")


def test_what_a_deleted_products_secrets_derived_from_is_wiped(account: Account, key: str) -> None:
    account.call("DeleteProduct", product_key=key)
    with account.registry.store.database.transaction() as connection:
        found = connection.execute(text("SELECT secret, material FROM product WHERE key = :key"), {"key": key}).one()
    assert [bytes(value) for value in found] == [b"", b""]


def test_a_product_with_devices_or_running_batches_is_not_deleted(account: Account, key: str) -> None:
    submit(account, key, "no")
    assert account.refusal("DeleteProduct", product_key=key) == IN_USE
    account.work()
    batch = submit(account, key, "pump-1")
    account.call("BatchRegisterDeviceWithApplyId", product_key=key, apply_id=batch)
    assert account.refusal("DeleteProduct", product_key=key) == IN_USE
    account.work()
    assert account.refusal("DeleteProduct", product_key=key) == IN_USE
    account.call("DeleteDevice", product_key=key, device_name="pump-1")
    account.call("DeleteProduct", product_key=key)


def test_batches_of_a_deleted_product_still_answer(account: Account, key: str) -> None:
    checked, failed = submit(account, key, "pump-1"), submit(account, key, "no")
    account.work()
    rows = [Credentials("pump-2", "its-own")]
    imported = account.call("BatchImportDevice", product_key=key, device_list=rows)["Data"]["ApplyId"]
    account.work()
    account.call("DeleteDevice", product_key=key, device_name="pump-2")
    account.call("DeleteProduct", product_key=key)
    states = [state(account, key, batch) for batch in (checked, failed, imported)]
    assert states == ["CHECK_SUCCESS", "CHECK_FAILED", "CREATE_SUCCESS"]
    assert account.refusal("BatchRegisterDeviceWithApplyId", product_key=key, apply_id=checked) == GONE
    assert account.call("QueryPageByApplyId", apply_id=checked)["Total"] == 0
    assert account.call("QueryPageByApplyId", apply_id=imported)["ApplyDeviceList"]["ApplyDeviceInfo"] == []
    page = account.call("QueryImportedDeviceByApplyId", apply_id=imported, page_no=1, page_size=10)
    assert page["DeviceList"]["device"] == []
    assert account.refusal("QueryCertUrlByApplyId", apply_id=imported) == "iot.common.APINotSupportedInInstance"


@pytest.mark.parametrize("action", ["RegisterDevice", "BatchRegisterDevice", "BatchImportDevice", "ImportDevice"])
def test_a_product_that_is_deleted_while_devices_are_registered_has_either_none_or_all(
    account: Account, action: str
) -> None:
    def race(number: int) -> None:
        key = account.product()
        arguments: dict[str, dict[str, Any]] = {
            "RegisterDevice": {},
            "BatchRegisterDevice": {"count": 2},
            "ImportDevice": {"device_name": "pump-1", "device_secret": "its-own"},
            "BatchImportDevice": {"device_list": [Credentials("pump-1", "its-own")]},
        }
        with ThreadPoolExecutor(2) as pool:
            calls = [("DeleteProduct", {}), (action, arguments[action])]
            order = calls if number % 2 else calls[::-1]
            ended = {name: pool.submit(attempt, account, name, product_key=key, **more) for name, more in order}
        codes = {name: one.result() for name, one in ended.items()}
        assert codes in ({"DeleteProduct": "", action: GONE}, {"DeleteProduct": IN_USE, action: ""})

    for number in range(8):
        race(number)
    account.work()
    lost = """SELECT count(*) FROM product WHERE deleted_at IS NOT NULL AND (
        EXISTS (SELECT 1 FROM device WHERE product_id = product.id) OR
        EXISTS (SELECT 1 FROM batch WHERE product_id = product.id AND state IN ('CHECK', 'CREATE')))"""
    with account.registry.store.database.transaction() as connection:
        assert connection.execute(text(lost)).scalar_one() == 0


def test_products_are_listed_by_the_page_newest_first(house_account: Account) -> None:
    account = house_account
    keys = [account.product() for _ in range(5)]
    senior = account.product(aliyun_commodity_code="iothub_senior", data_format=1)
    account.register(keys[0], "pump-1", "pump-2")

    def page(number: int, **more: object) -> dict[str, Any]:
        data: dict[str, Any] = account.call("QueryProductList", current_page=number, page_size=4, **more)["Data"]
        return data

    pages = [page(number) for number in (1, 2, 3)]
    listed = [product for one in pages for product in one["List"]["ProductInfo"]]
    assert [product["ProductKey"] for product in listed] == [senior, *keys[::-1]]
    assert {(one["Total"], one["PageCount"]) for one in pages} == {(6, 2)}
    assert [product["DeviceCount"] for product in listed] == [0, 0, 0, 0, 0, 2]
    assert [
        product["ProductKey"] for product in page(1, aliyun_commodity_code="iothub_senior")["List"]["ProductInfo"]
    ] == [senior]
    assert page(1, aliyun_commodity_code="iothub")["Total"] == 5


@pytest.fixture
def house_account(account: Account) -> Account:
    """An account without products."""
    return Account(account.registry, "lister")


def test_a_product_is_renamed_but_not_to_anothers_name(account: Account) -> None:
    key, _ = account.product("first_name"), account.product("taken_name")
    taken = {"product_key": key, "product_name": "taken_name"}
    assert account.refusal("UpdateProduct", **taken) == "iot.prod.AlreadyExistedProductName"
    account.call("UpdateProduct", product_key=key, product_name="other_name", description="new \\ 水")
    data = account.call("QueryProduct", product_key=key)["Data"]
    assert (data["ProductName"], data["Description"]) == ("other_name", "new \\ 水")
    account.call("UpdateProduct", product_key=key, product_name="other_name")
    assert account.call("QueryProduct", product_key=key)["Data"]["Description"] == "new \\ 水"
    account.product("first_name")


def test_a_deleted_device_is_gone_and_its_name_is_anothers(account: Account, key: str) -> None:
    (iot_id,) = account.register(key, "pump-1")
    before = account.call("QueryDeviceInfo", iot_id=iot_id)["Data"]
    account.call("DeleteDevice", iot_id=iot_id)
    for action in (
        "QueryDeviceDetail",
        "QueryDeviceInfo",
        "GetDeviceStatus",
        "DisableThing",
        "DeleteDevice",
        "ResetThing",
    ):
        assert account.refusal(action, iot_id=iot_id) == "iot.device.NotExistedDevice"
        by_name = {"product_key": key, "device_name": "pump-1"}
        assert account.refusal(action, **by_name) == "iot.device.NotExistedDevice"
    account.register(key, "pump-1")
    after = account.call("QueryDeviceInfo", product_key=key, device_name="pump-1")["Data"]
    assert after["IotId"] != before["IotId"]
    assert after["DeviceSecret"] != before["DeviceSecret"]
    assert account.refusal("QueryDeviceInfo", iot_id=iot_id) == "iot.device.NotExistedDevice"


def test_a_name_of_a_batch_that_was_deleted_may_be_checked_again(account: Account, key: str) -> None:
    for _ in range(2):
        batch = submit(account, key, "pump-1")
        account.work()
        account.call("BatchRegisterDeviceWithApplyId", product_key=key, apply_id=batch)
        account.work()
        assert state(account, key, batch) == "CREATE_SUCCESS"
        account.call("DeleteDevice", product_key=key, device_name="pump-1")
    assert account.call("QueryDevice", product_key=key)["Total"] == 0


def test_of_many_who_delete_a_device_at_once_one_does(account: Account, key: str) -> None:
    account.register(key, "pump-1")
    about = {"product_key": key, "device_name": "pump-1"}
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: attempt(account, "DeleteDevice", **about), range(6)))
    assert sorted(codes) == ["", *["iot.device.NotExistedDevice"] * 5]
    assert account.call("QueryProduct", product_key=key)["Data"]["DeviceCount"] == 0
