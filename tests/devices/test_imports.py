"""Imports: one device or ten thousand, each with the secret and the serial number that it brings."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from nameplate.domain.secrets import WrongMasterKeyError
from nameplate.operations.imports import Credentials
from nameplate.refusal import RefusedError
from nameplate.store.database import retried
from tests.support.account import Account

TAKEN, LISTED, FORMATTED = (
    "iot.device.AlreadyExistedDeviceName",
    "iot.device.InvalidDeviceNameExisted",
    "iot.common.InvalidFormattedParameter",
)
GOOD = [Credentials("pump-1", "its-own-1", "sn_1"), Credentials("pump-2", "2"), Credentials("Pump@2.:_", "-_@.:", "3")]
TOKENS = ["once", "back\\slash", "nul\0nul", "水", "a" * 64]


def submit(account: Account, key: str, rows: list[Credentials], **more: str) -> int:
    return int(account.call("BatchImportDevice", product_key=key, device_list=rows, **more)["Data"]["ApplyId"])


def status(account: Account, key: str, batch: int) -> dict[str, Any]:
    found: dict[str, Any] = account.call("QueryBatchRegisterDeviceStatus", product_key=key, apply_id=batch)["Data"]
    return found


def shown(account: Account, batch: int, page: int = 1, size: int = 200) -> list[Credentials]:
    answer = account.call("QueryImportedDeviceByApplyId", apply_id=batch, page_no=page, page_size=size)
    return [
        Credentials(row["DeviceName"], row["DeviceSecret"], row.get("Sn")) for row in answer["DeviceList"]["device"]
    ]


def test_devices_keep_what_they_bring(account: Account, key: str) -> None:
    batch = submit(account, key, GOOD)
    assert shown(account, batch) == []
    account.work()
    assert status(account, key, batch)["Status"] == "CREATE_SUCCESS"
    assert shown(account, batch) == GOOD
    assert [shown(account, batch, page, 2) for page in (1, 2, 3)] == [GOOD[:2], GOOD[2:], []]
    page = account.call("QueryPageByApplyId", apply_id=batch)["ApplyDeviceList"]["ApplyDeviceInfo"]
    assert [(row["DeviceName"], row["DeviceSecret"]) for row in page] == [row[:2] for row in GOOD]
    for row in GOOD:
        about = {"product_key": key, "device_name": row.device_name}
        for action in ("QueryDeviceInfo", "QueryDeviceDetail"):
            assert account.call(action, **about)["Data"]["DeviceSecret"] == row.device_secret


def test_one_device_keeps_what_it_brings(account: Account, key: str) -> None:
    about = {"product_key": key, "device_name": "pump-1"}
    made = account.call("ImportDevice", **about, device_secret="its-own", sn="sn_1", nickname="n")["Data"]
    assert (made["DeviceSecret"], made["Sn"], made["Nickname"]) == ("its-own", "sn_1", "n")
    assert account.call("QueryDeviceInfo", **about)["Data"]["DeviceSecret"] == "its-own"
    assert account.refusal("ImportDevice", **about, device_secret="another") == TAKEN
    assert account.refusal("RegisterDevice", **about) == TAKEN
    assert account.call("QueryDeviceInfo", **about)["Data"]["DeviceSecret"] == "its-own"


def test_a_deleted_imported_device_takes_its_secret_along(account: Account, key: str) -> None:
    about = {"product_key": key, "device_name": "pump-1"}
    account.call("ImportDevice", **about, device_secret="its-own", sn="sn_1")
    account.call("DeleteDevice", **about)
    account.register(key, "pump-1")
    assert account.call("QueryDeviceInfo", **about)["Data"]["DeviceSecret"] != "its-own"


def test_one_bad_row_refuses_the_whole_call_and_lists_every_bad_row(account: Account, key: str) -> None:
    account.register(key, "taken-1")
    rows = [
        *GOOD,
        Credentials("no", "its-own"),
        Credentials("pump-1", "its-own"),
        Credentials("taken-1", "its-own"),
        Credentials("pump-4", "not good", "bad sn"),
        Credentials("pump-5", ""),
    ]
    with pytest.raises(RefusedError) as raised:
        submit(account, key, rows)
    refused = raised.value
    assert refused.code == LISTED
    assert refused.data is not None
    assert refused.data["InvalidDeviceNameList"]["invalidDeviceName"] == ["no", "taken-1"]
    assert refused.data["RepeatedDeviceNameList"]["repeatedDeviceName"] == ["pump-1"]
    assert refused.data["InvalidDeviceSecretList"]["invalidDeviceSecret"] == ["not good", ""]
    assert refused.data["InvalidSnList"]["invalidSn"] == ["bad sn"]
    details = refused.data["InvalidDetailList"]["InvalidDetailList"]
    assert [row["DeviceName"] for row in details] == [row.device_name for row in rows[3:]]
    assert "not good" not in refused.message
    account.work()
    assert account.call("QueryProduct", product_key=key)["Data"]["DeviceCount"] == 1
    checked = account.call("BatchCheckImportDevice", product_key=key, device_list=rows)["Data"]
    assert checked["InvalidDetailList"] == details
    assert account.call("BatchCheckImportDevice", product_key=key, device_list=GOOD)["Data"]["InvalidDetailList"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"device_secret": ""},
        {"device_secret": "a" * 33},
        {"device_secret": "with space"},
        {"device_secret": "nul\0"},
        {"device_secret": "line\n"},
        {"sn": "sn-1"},
        {"sn": "a" * 65},
        {"sn": "sn\n"},
        {"nickname": "a" * 65},
        {"nickname": "with space"},
    ],
)
def test_a_bad_field_is_refused_and_not_repeated(account: Account, key: str, changes: dict[str, str]) -> None:
    arguments = {"product_key": key, "device_name": "pump-1", "device_secret": "its-own", **changes}
    with pytest.raises(RefusedError) as raised:
        account.call("ImportDevice", **arguments)
    assert raised.value.code == FORMATTED
    assert "a" * 33 not in raised.value.message
    assert "with space" not in raised.value.message


def test_names_that_are_taken_before_creation_are_refused_and_the_others_created(account: Account, key: str) -> None:
    batch = submit(account, key, GOOD)
    account.register(key, "pump-2")
    account.work()
    found = status(account, key, batch)
    assert (found["Status"], found["Failed"]) == ("CREATE_FAILED", 1)
    assert found["InvalidList"]["Name"] == ["pump-2"]
    assert shown(account, batch) == [GOOD[0], GOOD[2]]
    assert account.call("QueryDeviceInfo", product_key=key, device_name="pump-2")["Data"]["DeviceSecret"] != "2"
    assert account.call("QueryProduct", product_key=key)["Data"]["DeviceCount"] == 3


def test_nothing_of_a_secret_is_kept_with_a_batch_or_its_refusals(account: Account, key: str) -> None:
    secret = "canary-in-a-coal-mine"
    batch = submit(account, key, [Credentials("pump-1", secret), Credentials("pump-2", secret)], client_token="canary")
    account.register(key, "pump-1")

    def kept() -> list[str]:
        tables = ("part_names", "refusal", "client_token", "device", "batch", "part")
        with account.registry.store.database.transaction() as connection:
            return [repr(tuple(row)) for table in tables for row in connection.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608 (ours)

    before = kept()
    account.work()
    for row in before + kept():
        assert secret not in row
    waiting = "SELECT count(*) FROM part_names WHERE batch_id = :batch"
    with account.registry.store.database.transaction() as connection:
        assert connection.execute(text(waiting), {"batch": batch}).scalar_one() == 0


@pytest.mark.parametrize("token", TOKENS)
def test_the_same_import_sent_again_is_done_once(account: Account, key: str, token: str) -> None:
    """Also when its names are taken by then: by itself."""
    again = {"client_token": (key + token)[:64]}
    batch = submit(account, key, GOOD, **again)
    assert submit(account, key, GOOD, **again) == batch
    account.work()
    assert submit(account, key, GOOD, **again) == batch
    other = [*GOOD[:2], Credentials(GOOD[2].device_name, "another")]
    code = account.refusal("BatchImportDevice", product_key=key, device_list=other, **again)
    assert code == "IdempotentParameterMismatch"
    assert shown(account, batch) == GOOD


@pytest.mark.parametrize("token", TOKENS[:4])
def test_the_same_device_sent_again_is_imported_once(account: Account, key: str, token: str) -> None:
    one = {"product_key": key, "device_name": "pump-1", "device_secret": "its-own", "client_token": token + key}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: retried(lambda: account.call("ImportDevice", **one)), range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert account.refusal("ImportDevice", **{**one, "device_secret": "another"}) == "IdempotentParameterMismatch"
    assert account.call("QueryProduct", product_key=key)["Data"]["DeviceCount"] == 1


def test_of_imports_that_race_for_a_name_one_brings_its_secret(account: Account, key: str) -> None:
    def attempt(number: int) -> str:
        one = {"product_key": key, "device_name": "pump-1", "device_secret": f"secret-{number}"}
        try:
            return str(retried(lambda: account.call("ImportDevice", **one))["Data"]["DeviceSecret"])
        except RefusedError as refused:
            return refused.code

    with ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(attempt, range(6)))
    secret = account.call("QueryDeviceInfo", product_key=key, device_name="pump-1")["Data"]["DeviceSecret"]
    assert sorted(ended) == sorted([secret, *[TAKEN] * 5])


def test_imports_and_other_batches_done_together_are_told_apart(account: Account, key: str) -> None:
    """A worker does small batches of one product in one transaction."""
    first = account.call("BatchRegisterDevice", product_key=key, count=2)["Data"]["ApplyId"]
    imported = submit(account, key, GOOD)
    named = account.call("BatchCheckDeviceNames", product_key=key, device_name=["pump-9"])
    account.work()
    account.call("BatchRegisterDeviceWithApplyId", product_key=key, apply_id=named["Data"]["ApplyId"])
    more = submit(account, key, [Credentials("pump-8", "its-own-8")])
    account.work()
    assert shown(account, imported) == GOOD
    assert shown(account, more) == [Credentials("pump-8", "its-own-8")]
    derived = account.call("QueryPageByApplyId", apply_id=first)["ApplyDeviceList"]["ApplyDeviceInfo"]
    assert {len(row["DeviceSecret"]) for row in derived} == {32}
    assert account.refusal("QueryImportedDeviceByApplyId", apply_id=first, page_no=1, page_size=1) == (
        "iot.device.IncorrentDeviceApplyInfo"
    )
    start = {"product_key": key, "apply_id": imported}
    assert account.refusal("BatchRegisterDeviceWithApplyId", **start) == "iot.device.IncorrentDeviceApplyInfo"


def test_ten_thousand_and_no_more(account: Account, key: str) -> None:
    rows = [Credentials(f"pump-{number:05}", f"secret-{number:05}") for number in range(10_001)]
    batch = submit(account, key, rows)
    account.work()
    assert status(account, key, batch)["Total"] == 10_000
    assert shown(account, batch, 50) == rows[9_800:10_000]
    assert (
        account.refusal("QueryDeviceInfo", product_key=key, device_name="pump-10000") == "iot.device.NotExistedDevice"
    )


def test_a_sealed_part_opens_for_its_batch_only(account: Account, key: str) -> None:
    """Secrets that somebody has moved to another batch are not given to its devices."""
    first, second = submit(account, key, GOOD[:1]), submit(account, key, GOOD[1:2])
    move = (
        "UPDATE part_names SET secrets = (SELECT secrets FROM part_names WHERE batch_id = :one) WHERE batch_id = :two"
    )
    kept = "SELECT secrets FROM part_names WHERE batch_id = :two"
    with account.registry.store.database.transaction() as connection:
        right = connection.execute(text(kept), {"two": second}).scalar_one()
        connection.execute(text(move), {"one": first, "two": second})
    with pytest.raises(WrongMasterKeyError):
        account.work()
    assert account.refusal("QueryDeviceInfo", product_key=key, device_name="pump-2") == "iot.device.NotExistedDevice"
    with account.registry.store.database.transaction() as connection:
        connection.execute(
            text("UPDATE part_names SET secrets = :right WHERE batch_id = :two"), {"right": right, "two": second}
        )
        connection.execute(text("UPDATE part SET leased_until = 0"))
    account.work()
    assert shown(account, first) + shown(account, second) == GOOD[:2]
