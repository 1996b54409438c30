"""How many products and devices there may be, also when many ask at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from nameplate.call import Limits, Registry
from nameplate.operations.imports import Credentials
from nameplate.refusal import RefusedError
from nameplate.store.database import retried
from tests.support.account import Account

MOST = 10
FULL = "iot.device.DeviceCountExceeded"
CALLERS = 8


@pytest.fixture
def limited(house: Registry) -> Account:
    """An account of a registry in which a product may have ten devices."""
    return Account(replace(house, limits=Limits(devices=MOST)))


@pytest.fixture
def key(limited: Account) -> str:
    return limited.product()


def there(account: Account, key: str) -> int:
    return int(account.call("QueryProduct", product_key=key)["Data"]["DeviceCount"])


def rows(account: Account) -> Iterator[tuple[int, int]]:
    """How many devices each product has, counted and as kept."""
    counted = "SELECT id, (SELECT count(*) FROM device WHERE product_id = product.id) FROM product"
    with account.registry.store.database.transaction() as connection:
        found = connection.execute(text(counted)).all()
    for product_id, devices in found:
        yield devices, account.registry.store.tallies.of_product(product_id)


def check(account: Account, key: str, *names: str) -> int:
    batch = int(account.call("BatchCheckDeviceNames", product_key=key, device_name=list(names))["Data"]["ApplyId"])
    account.work()
    return batch


def test_a_product_is_filled_to_the_last_device_and_no_further(limited: Account, key: str) -> None:
    limited.call("BatchRegisterDevice", product_key=key, count=4)
    batch = check(limited, key, "pump-1", "pump-2", "pump-3")
    limited.call("BatchRegisterDeviceWithApplyId", product_key=key, apply_id=batch)
    rows = [Credentials("pump-4", "its-own"), Credentials("pump-5", "its-own")]
    limited.call("BatchImportDevice", product_key=key, device_list=rows)
    limited.register(key, "pump-6")
    refused: list[tuple[str, dict[str, Any]]] = [
        ("RegisterDevice", {}),
        ("ImportDevice", {"device_name": "pump-7", "device_secret": "its-own"}),
        ("BatchRegisterDevice", {"count": 1}),
        ("BatchCheckDeviceNames", {"device_name": ["pump-7"]}),
        ("BatchImportDevice", {"device_list": [Credentials("pump-7", "its-own")]}),
    ]
    # Before the batches' devices are there, and after.
    for _ in range(2):
        for action, arguments in refused:
            assert limited.refusal(action, product_key=key, **arguments) == FULL
        limited.work()
    assert there(limited, key) == MOST
    limited.call("DeleteDevice", product_key=key, device_name="pump-1")
    limited.register(key, "pump-1")
    assert limited.refusal("RegisterDevice", product_key=key) == FULL


def test_what_was_refused_left_nothing_behind(limited: Account, key: str) -> None:
    limited.call("BatchRegisterDevice", product_key=key, count=MOST)
    limited.work()
    token = {"client_token": "once"}
    about = {"product_key": key, "device_name": "pump-1"}
    assert limited.refusal("RegisterDevice", **about, **token) == FULL
    assert limited.refusal("QueryDeviceInfo", **about) == "iot.device.NotExistedDevice"
    name = limited.call("QueryDevice", product_key=key)["Data"]["DeviceInfo"][0]["DeviceName"]
    limited.call("DeleteDevice", product_key=key, device_name=name)
    assert limited.call("RegisterDevice", **about, **token)["Data"]["DeviceName"] == "pump-1"


def test_names_that_were_checked_find_no_room_any_more(limited: Account, key: str) -> None:
    batch = check(limited, key, *(f"pump-{number}" for number in range(6)))
    limited.call("BatchRegisterDevice", product_key=key, count=5)
    start = {"product_key": key, "apply_id": batch}
    assert limited.refusal("BatchRegisterDeviceWithApplyId", **start) == FULL
    status = limited.call("QueryBatchRegisterDeviceStatus", **start)["Data"]["Status"]
    assert status == "CHECK_SUCCESS"
    limited.work()
    name = limited.call("QueryDevice", product_key=key)["Data"]["DeviceInfo"][0]["DeviceName"]
    limited.call("DeleteDevice", product_key=key, device_name=name)
    limited.call("BatchRegisterDeviceWithApplyId", **start)
    limited.call("BatchRegisterDeviceWithApplyId", **start)
    limited.work()
    assert there(limited, key) == MOST


def at_once(work: Callable[[int], object]) -> list[object]:
    """Do it in many threads at once; returns what each returned, or the code of its refusal."""

    def attempt(number: int) -> object:
        try:
            return retried(lambda: work(number))
        except RefusedError as refused:
            return refused.code

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(attempt, range(4 * CALLERS)))


@pytest.mark.parametrize("action", ["RegisterDevice", "BatchRegisterDevice", "ImportDevice", "BatchImportDevice"])
def test_many_who_ask_at_once_do_not_exceed_it(limited: Account, key: str, action: str) -> None:
    def ask(number: int) -> object:
        name, secret = f"pump-{number:03}", "its-own"
        arguments: dict[str, dict[str, Any]] = {
            "RegisterDevice": {},
            "BatchRegisterDevice": {"count": 1},
            "ImportDevice": {"device_name": name, "device_secret": secret},
            "BatchImportDevice": {"device_list": [Credentials(name, secret)]},
        }
        limited.call(action, product_key=key, **arguments[action])
        return ""

    codes = at_once(ask)
    limited.work()
    assert there(limited, key) == MOST
    assert codes.count("") == MOST
    assert set(codes) == {"", FULL}


def test_many_who_start_creation_at_once_do_not_exceed_it(limited: Account, key: str) -> None:
    batches = [check(limited, key, f"pump-{number:03}") for number in range(4 * CALLERS)]
    start = {"product_key": key}
    codes = at_once(
        lambda number: str(limited.call("BatchRegisterDeviceWithApplyId", apply_id=batches[number], **start))[:0]
    )
    limited.work()
    assert there(limited, key) == MOST
    assert codes.count("") == MOST


def test_what_is_kept_is_what_is_counted(limited: Account, key: str) -> None:
    """After devices were registered and deleted by many at once, each product's devices add up."""

    def come_and_go(number: int) -> object:
        (iot_id,) = limited.register(key, f"pump-{number:03}")
        return number % 2 or limited.call("DeleteDevice", iot_id=iot_id)

    at_once(come_and_go)
    assert all(counted == kept for counted, kept in rows(limited))


def test_an_account_has_so_many_products_and_no_more(house: Registry) -> None:
    account = Account(replace(house, limits=Limits(products=3)), "few products")
    codes = at_once(lambda number: account.product(f"product_{number}")[:0])
    assert codes.count("") == 3
    assert set(codes) == {"", "iot.prod.ProductCountExceedMax"}
    listed = account.call("QueryProductList", current_page=1, page_size=10)["Data"]["List"]["ProductInfo"]
    account.call("DeleteProduct", product_key=listed[0]["ProductKey"])
    account.product()
    assert account.refusal("CreateProduct", product_name="one_more", node_type=0) == "iot.prod.ProductCountExceedMax"
    Account(account.registry, "many products").product()
