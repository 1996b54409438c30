"""Every text that a caller may send is kept and found again, on every engine."""

from typing import Any

import pytest

from nameplate.call import Registry
from tests.support.account import Account

AWKWARD = ["nul\0inside", "\0", "back\\slash", "\\0", "\\\\0\0\\", "水泵😀", "quote'\"", "%s %(name)s :name ?"]


@pytest.fixture
def account(registry: Registry) -> Account:
    return Account(registry)


def status(account: Account, product: str, batch: int) -> Any:
    return account.call("QueryBatchRegisterDeviceStatus", product_key=product, apply_id=batch)["Data"]


def test_refused_names_are_told_as_they_were_sent(account: Account) -> None:
    product = account.product()
    names = [*AWKWARD, "pump-01"]
    batch = account.call("BatchCheckDeviceNames", product_key=product, device_name=names)["Data"]["ApplyId"]
    account.work()
    told = status(account, product, batch)
    assert told["Status"] == "CHECK_FAILED"
    assert told["InvalidList"]["Name"] == AWKWARD
    assert told["ValidList"]["Name"] == ["pump-01"]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_description_is_kept(account: Account, text: str) -> None:
    key = account.call("CreateProduct", product_name="pumps", node_type=0, description=text)["ProductKey"]
    assert account.call("QueryProduct", product_key=key)["Data"]["Description"] == text


@pytest.mark.parametrize("text", AWKWARD)
def test_a_client_token_is_recognised(account: Account, text: str) -> None:
    product = account.product()
    call = {"product_key": product, "count": 2, "client_token": text}
    first, again = (account.call("BatchRegisterDevice", **call)["Data"]["ApplyId"] for _ in range(2))
    assert first == again
    other = account.call("BatchRegisterDevice", **{**call, "client_token": f"{text}x"})["Data"]["ApplyId"]
    assert other != first


@pytest.mark.parametrize("text", AWKWARD)
def test_what_nobody_stored_is_not_found(account: Account, text: str) -> None:
    assert account.registry.store.access_keys.find(text) is None
    assert account.registry.store.products.find(text) is None
    assert account.registry.store.devices.find_name(1, text) is None
