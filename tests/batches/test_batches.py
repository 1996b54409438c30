"""What a caller is promised about batches, beyond their states."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nameplate.call import NameCheck, Registry
from nameplate.domain.device import first_id
from nameplate.operations.batches import NamedDevice
from nameplate.refusal import RefusedError
from tests.support.account import Account

NAMES = ["pump-01", "pump-02", "pump-03"]


@pytest.fixture
def account(registry: Registry) -> Account:
    return Account(registry)


def check(account: Account, product: str, **arguments: Any) -> int:
    return int(account.call("BatchCheckDeviceNames", product_key=product, **arguments)["Data"]["ApplyId"])


def status(account: Account, product: str, batch: int) -> Any:
    return account.call("QueryBatchRegisterDeviceStatus", product_key=product, apply_id=batch)["Data"]


def count(account: Account, product: str) -> int:
    return int(account.call("QueryProduct", product_key=product)["Data"]["DeviceCount"])


def create(account: Account, product: str, batch: int) -> None:
    account.work()
    account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=batch)
    account.work()


class TestClientToken:
    def test_the_same_names_get_the_same_batch(self, account: Account) -> None:
        product = account.product()
        first = check(account, product, device_name=NAMES, client_token="t1")
        assert check(account, product, device_name=NAMES, client_token="t1") == first
        create(account, product, first)
        assert check(account, product, device_name=NAMES, client_token="t1") == first
        assert check(account, product, device_name=NAMES, client_token="t2") != first

    def test_the_same_count_registers_nothing_more(self, account: Account) -> None:
        product = account.product()
        call = {"product_key": product, "count": 5, "client_token": "t"}
        answers = [account.call("BatchRegisterDevice", **call) for _ in range(3)]
        account.work()
        assert len({answer["Data"]["ApplyId"] for answer in answers}) == 1
        assert count(account, product) == 5

    def test_the_same_device_is_answered_again_with_its_secret(self, account: Account) -> None:
        product = account.product()
        call = {"product_key": product, "device_name": "pump-01", "nickname": "Pump_01", "client_token": "t"}
        first = account.call("RegisterDevice", **call)
        assert account.call("RegisterDevice", **call) == first
        assert count(account, product) == 1

    def test_a_refused_device_does_not_use_the_token_up(self, account: Account) -> None:
        product = account.product()
        account.call("RegisterDevice", product_key=product, device_name="pump-01")
        with pytest.raises(RefusedError, match="AlreadyExistedDeviceName"):
            account.call("RegisterDevice", product_key=product, device_name="pump-01", client_token="t")
        assert account.call("RegisterDevice", product_key=product, device_name="pump-02", client_token="t")

    @pytest.mark.parametrize(
        ("action", "arguments"),
        [
            ("BatchCheckDeviceNames", {"device_name": ["pump-09"]}),
            ("BatchRegisterDevice", {"count": 2}),
            ("RegisterDevice", {"device_name": "pump-09"}),
        ],
    )
    def test_other_content_is_refused(self, account: Account, action: str, arguments: dict[str, Any]) -> None:
        product = account.product()
        check(account, product, device_name=NAMES, client_token="t")
        with pytest.raises(RefusedError) as refused:
            account.call(action, product_key=product, client_token="t", **arguments)
        assert (refused.value.status, refused.value.code) == (400, "IdempotentParameterMismatch")

    def test_another_accounts_token_is_another_token(self, registry: Registry, account: Account) -> None:
        other = Account(registry, "other")
        first = check(account, account.product(), device_name=NAMES, client_token="t")
        assert check(other, other.product(), device_name=NAMES, client_token="t") != first

    def test_callers_at_the_same_moment_get_one_batch(self, account: Account) -> None:
        product = account.product()
        with ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(check, account, product, device_name=NAMES, client_token="t") for _ in range(24)]
            assert len({one.result() for one in sent}) == 1

    def test_a_long_token_is_refused(self, account: Account) -> None:
        with pytest.raises(RefusedError, match="InvalidClientToken"):
            check(account, account.product(), device_name=NAMES, client_token="t" * 65)


class TestMoreNamesThanACallTakes:
    NAMES = tuple(f"pump-{number:05}" for number in range(10_002))

    def test_the_first_ten_thousand_are_taken(self, account: Account) -> None:
        product = account.product()
        batch = check(account, product, device_name=list(self.NAMES))
        create(account, product, batch)
        assert status(account, product, batch)["Total"] == 10_000
        assert account.registry.store.devices.find_name(1, "pump-09999") is not None
        assert account.registry.store.devices.find_name(1, "pump-10000") is None

    def test_with_strict_the_call_is_refused(self, registry: Registry) -> None:
        account = Account(replace(registry, strict=True))
        with pytest.raises(RefusedError, match="10002 names were sent; a call takes 10000"):
            check(account, account.product(), device_name=list(self.NAMES))


class TestNameCheckInTheCall:
    @pytest.fixture
    def account(self, registry: Registry) -> Account:
        return Account(replace(registry, name_check=NameCheck.SYNC))

    def test_bad_names_are_listed_in_the_refusal(self, account: Account) -> None:
        rows = [("ab", None), ("pump-01", None), ("pump-01", None), ("pump-02", "x")]
        with pytest.raises(RefusedError) as refused:
            check(account, account.product(), device_name_list=[NamedDevice(*row) for row in rows])
        assert refused.value.code == "iot.device.InvalidDeviceNameExisted"
        assert refused.value.data == {
            "InvalidDeviceNameList": {"InvalidDeviceName": ["ab"]},
            "InvalidDeviceNicknameList": {"InvalidDeviceNickname": ["x"]},
            "RepeatedDeviceNameList": {"RepeatDevieNameList": ["pump-01"]},
            "InvalidDetailList": {
                "InvalidDetailList": [
                    {"DeviceName": "ab", "ErrorMsg": "The device name is illegal."},
                    {"DeviceName": "pump-01", "ErrorMsg": "The device name is repeated."},
                    {"DeviceName": "pump-02", "NickName": "x", "ErrorMsg": "The nick name is illegal."},
                ]
            },
        }

    def test_a_taken_name_is_still_found_by_the_check(self, account: Account) -> None:
        product = account.product()
        account.call("RegisterDevice", product_key=product, device_name="pump-01")
        batch = check(account, product, device_name=NAMES)
        account.work()
        assert status(account, product, batch)["InvalidList"]["Name"] == ["pump-01"]


class TestNamesThatAreCheckedInTheCall:
    """Where no device of the product has a name between theirs, they are new, and no worker has to look."""

    @pytest.fixture
    def product(self, account: Account) -> str:
        product = account.product()
        account.register(product, "lamp-5", "pump-5")
        return product

    @pytest.mark.parametrize(
        "names",
        [
            ["pump-6", "pump-7"],
            ["pump-7", "pump-6"],
            ["lamp-6", "pump-4"],
            ["kilo"],
            [f"sn-{number:06}" for number in range(10_000)],
            [f"sn-{number}" for number in range(10_000)],
        ],
    )
    def test_new_ones_may_be_created_at_once(self, account: Account, product: str, names: list[str]) -> None:
        batch = check(account, product, device_name=names)
        told = status(account, product, batch)
        assert (told["Status"], told["Total"], told["Done"], told["Failed"]) == ("CHECK_SUCCESS", *[len(names)] * 2, 0)
        assert not account.worker.work()
        account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=batch)
        account.work()
        assert status(account, product, batch)["Status"] == "CREATE_SUCCESS"
        assert count(account, product) == 2 + len(names)

    @pytest.mark.parametrize(
        ("names", "refused"),
        [
            (["pump-4", "pump-6"], []),
            (["pump-5"], ["pump-5"]),
            (["pump-5", "pump-6"], ["pump-5"]),
            (["lamp-4", "lamp-5"], ["lamp-5"]),
            (["pump-6", "no", "pump-7"], ["no"]),
            (["pump-6", "pump-6"], ["pump-6"]),
            ([*(f"sn-{number:06}" for number in range(9_999)), "sn-\0"], ["sn-\0"]),
            ([*(f"sn-{number:06}" for number in range(9_998)), "lamp-4", "pump-6"], []),
        ],
    )
    def test_others_are_for_a_worker(
        self, account: Account, product: str, names: list[str], refused: list[str]
    ) -> None:
        batch = check(account, product, device_name=names)
        assert status(account, product, batch)["Status"] == "CHECK"
        account.work()
        told = status(account, product, batch)
        assert told["Status"] == ("CHECK_FAILED" if refused else "CHECK_SUCCESS")
        assert told["InvalidList"]["Name"] == refused

    def test_their_nicknames_are_checked_too(self, account: Account, product: str) -> None:
        rows = [NamedDevice("pump-6", "Pump_6"), NamedDevice("pump-7", "x")]
        assert status(account, product, check(account, product, device_name_list=rows))["Status"] == "CHECK"
        assert status(account, product, check(account, product, device_name_list=rows[:1]))["Status"] == "CHECK_SUCCESS"

    def test_another_products_devices_do_not_count(self, account: Account, product: str) -> None:
        other = account.product()
        names = ["pump-4", "pump-6"]
        states = [status(account, key, check(account, key, device_name=names))["Status"] for key in (product, other)]
        assert states == ["CHECK", "CHECK_SUCCESS"]

    def test_a_name_that_waits_to_be_created_is_refused_then(self, account: Account, product: str) -> None:
        batches = [check(account, product, device_name=["pump-6", "pump-7"]) for _ in range(2)]
        for batch in batches:
            account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=batch)
        account.work()
        states = [status(account, product, batch)["Status"] for batch in batches]
        assert states == ["CREATE_SUCCESS", "CREATE_FAILED"]
        assert status(account, product, batches[1])["InvalidList"]["Name"] == ["pump-6", "pump-7"]
        assert count(account, product) == 4

    def test_devices_with_certificates_too(self, account: Account) -> None:
        product = account.product(auth_type="x509")
        batch = check(account, product, device_name=NAMES)
        assert status(account, product, batch)["Status"] == "CHECK_SUCCESS"
        create(account, product, batch)
        assert status(account, product, batch)["Status"] == "CREATE_SUCCESS"


def test_nicknames_are_given(account: Account) -> None:
    product = account.product()
    rows = [NamedDevice("pump-01", "泵_01"), NamedDevice("pump-02"), NamedDevice("pump-03", "Pump_03")]
    create(account, product, check(account, product, device_name_list=rows))
    details = [
        account.call("QueryDeviceDetail", product_key=product, device_name=row.device_name)["Data"] for row in rows
    ]
    assert [detail.get("Nickname") for detail in details] == ["泵_01", None, "Pump_03"]


def test_device_name_list_wins(account: Account) -> None:
    product = account.product()
    batch = check(account, product, device_name=NAMES, device_name_list=[NamedDevice("valve-01")])
    create(account, product, batch)
    assert count(account, product) == 1


def test_a_name_taken_between_check_and_create_is_refused_and_the_rest_is_created(account: Account) -> None:
    product = account.product()
    first, second = (check(account, product, device_name=names) for names in (NAMES, [*NAMES[2:], "pump-04"]))
    account.work()
    for batch in (first, second):
        account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=batch)
    account.work()
    assert status(account, product, first)["Status"] == "CREATE_SUCCESS"
    failed = status(account, product, second)
    assert failed["Status"] == "CREATE_FAILED"
    assert failed["ValidList"]["Name"] == ["pump-04"]
    assert failed["InvalidDetailList"]["invalidDetailList"] == [
        {"DeviceName": "pump-03", "ErrorMsg": "The device name already exists."}
    ]
    page = account.call("QueryPageByApplyId", apply_id=second)
    assert [row["DeviceName"] for row in page["ApplyDeviceList"]["ApplyDeviceInfo"]] == ["pump-04"]
    assert page["Total"] == 1


def test_a_minted_name_that_is_taken_is_refused_and_the_rest_is_created(account: Account) -> None:
    product = account.product()
    call = account.call("BatchRegisterDevice", product_key=product, count=2)
    batch = int(call["Data"]["ApplyId"])
    taken = account.registry.iot_ids.device_id(first_id(batch))
    account.call("RegisterDevice", product_key=product, device_name=taken)
    account.work()
    failed = status(account, product, batch)
    assert (failed["Status"], failed["InvalidList"]["Name"]) == ("CREATE_FAILED", [taken])
    assert count(account, product) == 2


def test_the_same_name_may_be_in_two_products(account: Account) -> None:
    for product in (account.product("pumps"), account.product("valves")):
        batch = check(account, product, device_name=NAMES)
        create(account, product, batch)
        assert status(account, product, batch)["Status"] == "CREATE_SUCCESS"
