"""What has to hold for every SDK. A test file subclasses these, its clients being the fixture `sdk`."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.sdks.sdk import Body, Sdk
from tests.support.server import Server
from tests.support.signer import Client, now

NAMES = [f"pump@hall-3.a_1:{number:05}" for number in range(10_000)]
# Nameplate's own; the vendor's models do not know them.
OWN_FIELDS = ("Total", "Done", "Failed")
NO_LISTS: Body = {
    "ValidList": {"Name": []},
    "InvalidList": {"Name": []},
    "InvalidDetailList": {"invalidDetailList": []},
}

# The product uses every optional property that a product can have.
PRODUCT: Body = {
    "NodeType": 0,
    "DataFormat": 1,
    "AuthType": "secret",
    "AliyunCommodityCode": "iothub_senior",
    "Description": "三号车间的水泵 & <more>, 100% ~*",
    "ProtocolType": "modbus",
    "Id2": False,
}
PRODUCT_MORE: Body = {"CategoryKey": "Lighting", "ValidateType": 2}

# A check of these accepts the first only, once "pump-taken" is a device.
MIXED_ROWS = [
    {"DeviceName": "pump-good", "DeviceNickname": "一号水泵"},
    {"DeviceName": "pump-taken", "DeviceNickname": "二号水泵"},
    {"DeviceName": "bad name", "DeviceNickname": "三号水泵"},
    {"DeviceName": "pump-nick", "DeviceNickname": "短"},
    {"DeviceName": "no", "DeviceNickname": "!"},
    {"DeviceName": "pump-nick"},
]
ILL_FORMED = [
    {"DeviceName": "bad name", "NickName": "三号水泵", "ErrorMsg": "The device name is illegal."},
    {"DeviceName": "pump-nick", "NickName": "短", "ErrorMsg": "The nick name is illegal."},
    {"DeviceName": "no", "NickName": "!", "ErrorMsg": "The device name is illegal.|The nick name is illegal."},
    {"DeviceName": "pump-nick", "ErrorMsg": "The device name is repeated."},
]
TAKEN = {"DeviceName": "pump-taken", "NickName": "二号水泵", "ErrorMsg": "The device name already exists."}


@pytest.fixture(scope="module")
def sync_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that refuses bad names in the call."""
    running = Server(tmp_path_factory.mktemp("sync") / "data", name_check="sync").start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


class SdkContract:
    """Each Action, and the whole flow."""

    def test_ten_thousand_names_become_devices_that_another_client_sees_alike(self, sdk: Sdk, root: Client) -> None:
        product = create_product(sdk)["ProductKey"]
        apply_id = check(sdk, product, DeviceName=NAMES)
        assert follow(sdk, product, apply_id) == known(sdk, {"Status": "CHECK_SUCCESS", **NO_LISTS})
        started = sdk.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=apply_id)
        assert fields(started) == {"Success": True, "Data": {"ApplyId": apply_id}}
        assert follow(sdk, product, apply_id) == known(sdk, {"Status": "CREATE_SUCCESS", **NO_LISTS})
        rows = devices(sdk, apply_id, page_size=50)
        assert [row["DeviceName"] for row in rows] == NAMES
        check_identities(rows)
        assert rows == batch.devices(root, apply_id)
        for row in (rows[0], rows[-1]):
            detail = sdk.call("QueryDeviceDetail", ProductKey=product, DeviceName=row["DeviceName"])["Data"]
            assert {name: detail[name] for name in ("DeviceName", "DeviceSecret", "IotId")} == without_device_id(row)
        assert sdk.call("QueryProduct", ProductKey=product)["Data"]["DeviceCount"] == 10_000

    def test_ten_thousand_of_the_longest_names_and_chinese_nicknames_arrive(self, sdk: Sdk, root: Client) -> None:
        rows = [
            {"DeviceName": f"p{number:031}", "DeviceNickname": f"{number:04}{'泵' * 30}"} for number in range(10_000)
        ]
        product = create_product(sdk)["ProductKey"]
        apply_id = register(sdk, product, DeviceNameList=rows)
        found = devices(sdk, apply_id, page_size=200)
        assert [row["DeviceName"] for row in found] == [row["DeviceName"] for row in rows]
        check_identities(found)
        for number in (0, 5_000, 9_999):
            detail = sdk.call("QueryDeviceDetail", IotId=found[number]["IotId"])["Data"]
            assert detail["Nickname"] == rows[number]["DeviceNickname"]
            assert detail == root.call("QueryDeviceDetail", IotId=found[number]["IotId"])["Data"]

    def test_a_nickname_is_optional_and_arrives_as_it_was_written(self, sdk: Sdk) -> None:
        nicknames = {"pump-01": "一号水泵", "pump-02": None, "pump-03": "ポンプ_3", "pump-04": "Pump_4"}
        rows = [
            {"DeviceName": name} if nickname is None else {"DeviceName": name, "DeviceNickname": nickname}
            for name, nickname in nicknames.items()
        ]
        product = create_product(sdk)["ProductKey"]
        register(sdk, product, DeviceNameList=rows)
        for name, nickname in nicknames.items():
            detail = sdk.call("QueryDeviceDetail", ProductKey=product, DeviceName=name)["Data"]
            assert detail.get("Nickname") == nickname

    def test_a_product_is_found_as_it_was_created(self, sdk: Sdk) -> None:
        before = now()
        created = create_product(sdk)
        data, key = created["Data"], created["ProductKey"]
        assert fields(created) == {"Success": True, "ProductKey": key, "Data": data}
        minted = {"ProductKey": key, "ProductName": data["ProductName"], "ProductSecret": data["ProductSecret"]}
        assert data == {**PRODUCT, **minted}
        assert re.fullmatch("[A-Za-z0-9]{11}", key)
        assert re.fullmatch("[A-Za-z0-9]{16}", data["ProductSecret"])
        found = fields(sdk.call("QueryProduct", ProductKey=key))
        when = found["Data"].pop("GmtCreate")
        assert before <= datetime.fromtimestamp(when / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") <= now()
        state = {"ProductStatus": "DEVELOPMENT_STATUS", "DeviceCount": 0, "NetType": 7, "Owner": True}
        assert found == {"Success": True, "Data": {**data, **PRODUCT_MORE, **state}}

    def test_a_device_is_found_as_it_was_registered(self, sdk: Sdk) -> None:
        product, before = create_product(sdk)["Data"], now()
        given = {"ProductKey": product["ProductKey"], "DeviceName": "pump-01", "Nickname": "一号水泵"}
        registered = fields(sdk.call("RegisterDevice", **given))
        device = registered["Data"]
        assert registered == {"Success": True, "Data": {**device, **given}}
        check_identities([device])
        found = fields(sdk.call("QueryDeviceDetail", IotId=device["IotId"]))
        when = found["Data"]["UtcCreate"]
        assert before[:19] <= when[:19] <= now()[:19]
        times = {"GmtActive": "", "UtcActive": "", "GmtOnline": "", "UtcOnline": "", "GmtCreate": in_beijing(when)}
        more = {"ProductName": product["ProductName"], "NodeType": 0, "Status": "UNACTIVE", "Region": "cn-shanghai"}
        detail = {**device, **more, **times, "UtcCreate": when, "Owner": True}
        assert found == {"Success": True, "Data": detail}
        assert sdk.call("QueryDeviceDetail", ProductKey=given["ProductKey"], DeviceName="pump-01")["Data"] == detail

    def test_devices_without_names_are_named_by_their_device_ids(self, sdk: Sdk, root: Client) -> None:
        product = create_product(sdk)["ProductKey"]
        started = fields(sdk.call("BatchRegisterDevice", ProductKey=product, Count=3))
        apply_id = started["Data"]["ApplyId"]
        assert started == {"Success": True, "Data": {"ApplyId": apply_id}}
        assert follow(sdk, product, apply_id) == known(sdk, {"Status": "CREATE_SUCCESS", **NO_LISTS})
        page = fields(sdk.call("QueryPageByApplyId", ApplyId=apply_id, PageSize=50, CurrentPage=1))
        rows = page["ApplyDeviceList"]["ApplyDeviceInfo"]
        paging = {"Page": 1, "PageSize": 50, "PageCount": 1, "Total": 3}
        assert page == {"Success": True, **paging, "ApplyDeviceList": {"ApplyDeviceInfo": rows}}
        assert len(rows) == 3
        check_identities(rows)
        assert [row["DeviceName"] for row in rows] == [row["DeviceId"] for row in rows]
        assert rows == batch.devices(root, apply_id)

    def test_a_failed_check_lists_what_was_accepted_and_what_was_refused(self, sdk: Sdk) -> None:
        product = create_product(sdk)["ProductKey"]
        sdk.call("RegisterDevice", ProductKey=product, DeviceName="pump-taken")
        apply_id = check(sdk, product, DeviceNameList=MIXED_ROWS)
        lists = {
            "ValidList": {"Name": ["pump-good"]},
            "InvalidList": {"Name": ["pump-taken", "bad name", "pump-nick", "no"]},
            "InvalidDetailList": {"invalidDetailList": [TAKEN, *ILL_FORMED]},
        }
        assert follow(sdk, product, apply_id) == known(sdk, {"Status": "CHECK_FAILED", **lists})
        refused = sdk.answer("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=apply_id)
        assert refused["Success"] is False
        assert refused["Code"] == "iot.device.IncorrentDeviceApplyInfo"

    def test_names_refused_in_the_call_are_listed(self, sdk: Sdk, sync_server: Server) -> None:
        with closing(type(sdk)(sync_server)) as other:
            product = create_product(other)["ProductKey"]
            answer = other.answer("BatchCheckDeviceNames", ProductKey=product, DeviceNameList=MIXED_ROWS)
        lists = {
            "InvalidDeviceNameList": {"InvalidDeviceName": ["bad name", "no"]},
            "InvalidDeviceNicknameList": {"InvalidDeviceNickname": ["短", "!"]},
            "RepeatedDeviceNameList": {"RepeatDevieNameList": ["pump-nick"]},
            "InvalidDetailList": {"InvalidDetailList": ILL_FORMED},
        }
        assert fields(answer) == {
            "Success": False,
            "Code": "iot.device.InvalidDeviceNameExisted",
            "ErrorMessage": "The device name is illegal.",
            "Data": known(sdk, lists),
        }

    def test_an_unknown_apply_id_is_refused(self, sdk: Sdk) -> None:
        product = create_product(sdk)["ProductKey"]
        refusal = {
            "Success": False,
            "Code": "iot.device.DeviceApplyIsNotFound",
            "ErrorMessage": "The ApplyId does not exist.",
        }
        unknown = {"ProductKey": product, "ApplyId": 999_999_999}
        assert fields(sdk.answer("QueryBatchRegisterDeviceStatus", **unknown)) == refusal
        assert fields(sdk.answer("BatchRegisterDeviceWithApplyId", **unknown)) == refusal
        assert fields(sdk.answer("QueryPageByApplyId", ApplyId=999_999_999)) == refusal

    def test_a_device_that_exists_already_is_refused_and_can_be_looked_up(self, sdk: Sdk) -> None:
        given = {"ProductKey": create_product(sdk)["ProductKey"], "DeviceName": "pump-01"}
        device = sdk.call("RegisterDevice", **given)["Data"]
        assert fields(sdk.answer("RegisterDevice", **given)) == {
            "Success": False,
            "Code": "iot.device.AlreadyExistedDeviceName",
            "ErrorMessage": "A device of this name exists already.",
        }
        assert sdk.call("QueryDeviceDetail", **given)["Data"]["DeviceSecret"] == device["DeviceSecret"]


def create_product(sdk: Sdk) -> Body:
    name = f"水泵_{uuid4().hex[:20]}"
    return sdk.call("CreateProduct", ProductName=name, NetType="ETHERNET", **PRODUCT, **PRODUCT_MORE)


def check(sdk: Sdk, product: str, **names: object) -> int:
    """Submit names and return the ApplyId."""
    submitted = fields(sdk.call("BatchCheckDeviceNames", ProductKey=product, **names))
    apply_id = int(submitted["Data"]["ApplyId"])
    assert submitted == {"Success": True, "Data": {"ApplyId": apply_id}}
    return apply_id


def register(sdk: Sdk, product: str, **names: object) -> int:
    """Check names, create their devices, and return the ApplyId."""
    apply_id = check(sdk, product, **names)
    assert follow(sdk, product, apply_id)["Status"] == "CHECK_SUCCESS"
    sdk.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=apply_id)
    assert follow(sdk, product, apply_id)["Status"] == "CREATE_SUCCESS"
    return apply_id


def follow(sdk: Sdk, product: str, apply_id: int) -> Body:
    """Poll until a step has ended, and return the vendor's fields of the status."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = fields(sdk.call("QueryBatchRegisterDeviceStatus", ProductKey=product, ApplyId=apply_id))["Data"]
        if status["Status"] in batch.FINAL:
            return {name: value for name, value in status.items() if name not in OWN_FIELDS}
        time.sleep(0.01)
    message = f"batch {apply_id} is still in {status['Status']}"
    raise AssertionError(message)


def devices(sdk: Sdk, apply_id: int, page_size: int) -> list[Body]:
    """Page through every device of a batch."""
    rows: list[Body] = []
    page, pages = 1, 1
    while page <= pages:
        answer = sdk.call("QueryPageByApplyId", ApplyId=apply_id, PageSize=page_size, CurrentPage=page)
        rows += answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        page, pages = page + 1, answer["PageCount"]
    return rows


def check_identities(rows: list[Body]) -> None:
    """Every row has an IotId and a secret of its own, of the vendor's shapes."""
    assert len({row["IotId"] for row in rows}) == len(rows)
    assert len({row["DeviceSecret"] for row in rows}) == len(rows)
    assert all(re.fullmatch("[A-Za-z0-9]{26}", row["IotId"]) for row in rows)
    assert all(re.fullmatch("[0-9a-f]{32}", row["DeviceSecret"]) for row in rows)
    assert all(row.get("DeviceId", row["IotId"][:20]) == row["IotId"][:20] for row in rows)


def known(sdk: Sdk, data: Body) -> Body:
    """What an SDK can hand on of a batch's fields."""
    return {name: value for name, value in data.items() if name not in sdk.lacks}


def without_device_id(row: Body) -> Body:
    return {name: value for name, value in row.items() if name != "DeviceId"}


def fields(answer: Body) -> Body:
    """An answer without its RequestId, which is checked here."""
    assert re.fullmatch("[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{12}", answer["RequestId"])
    return {name: value for name, value in answer.items() if name != "RequestId"}


def in_beijing(utc: str) -> str:
    return (datetime.fromisoformat(utc) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
