"""Whether devices may connect: enabled, disabled and reset, counted and listed by status."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from nameplate.domain.device import Status
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.account import Account

NAMES = [f"pump-{letter}" for letter in "abcde"]
BY_STATUS = (Status.UNACTIVE, Status.ONLINE, Status.OFFLINE, Status.DISABLE)


def connect(account: Account, product: str, name: str, status: Status) -> None:
    """Have a device connected or gone again, as the device side will note it."""
    number = account.registry.store.products.find(product)
    assert number is not None
    noted = "UPDATE device SET status = :status, activated_at = coalesce(activated_at, 5), online_at = 6"
    with account.registry.store.database.transaction() as connection:
        values = {"status": int(status), "product": number.id, "name": name}
        connection.execute(text(f"{noted} WHERE product_id = :product AND name = :name"), values)


def status_of(account: Account, product: str, name: str) -> str:
    return str(account.call("GetDeviceStatus", product_key=product, device_name=name)["Data"]["Status"])


class Statuses(RuleBasedStateMachine):
    """Devices that are enabled, disabled, reset, connected, deleted and registered, beside a model of five."""

    account: ClassVar[Account]

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[str, Status] = {}
        self.connected: set[str] = set()

    @initialize()
    def create_product(self) -> None:
        self.product = self.account.product()

    def change(self, action: str, name: str) -> bool:
        about = {"product_key": self.product, "device_name": name}
        if name not in self.status:
            assert self.account.refusal(action, **about) == "iot.device.NotExistedDevice"
            return False
        assert self.account.call(action, **about) == {}
        return True

    @rule(name=st.sampled_from(NAMES))
    def register(self, name: str) -> None:
        if name in self.status:
            about = {"product_key": self.product, "device_name": name}
            assert self.account.refusal("RegisterDevice", **about) == "iot.device.AlreadyExistedDeviceName"
        else:
            self.account.register(self.product, name)
            self.status[name] = Status.UNACTIVE

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.change("DeleteDevice", name):
            del self.status[name]
            self.connected.discard(name)

    @rule(name=st.sampled_from(NAMES))
    def disable(self, name: str) -> None:
        if self.change("DisableThing", name):
            self.status[name] = Status.DISABLE

    @rule(name=st.sampled_from(NAMES))
    def enable(self, name: str) -> None:
        if self.change("EnableThing", name) and self.status[name] is Status.DISABLE:
            self.status[name] = Status.OFFLINE if name in self.connected else Status.UNACTIVE

    @rule(name=st.sampled_from(NAMES))
    def reset(self, name: str) -> None:
        if self.change("ResetThing", name):
            self.connected.discard(name)
            if self.status[name] is not Status.DISABLE:
                self.status[name] = Status.UNACTIVE

    @rule(name=st.sampled_from(NAMES), status=st.sampled_from([Status.ONLINE, Status.OFFLINE]))
    def come_or_go(self, name: str, status: Status) -> None:
        if self.status.get(name, Status.DISABLE) is not Status.DISABLE:
            connect(self.account, self.product, name, status)
            self.status[name] = status
            self.connected.add(name)

    @invariant()
    def each_has_its_status(self) -> None:
        for name, status in self.status.items():
            assert status_of(self.account, self.product, name) == status.name

    @invariant()
    def they_are_counted_and_listed(self) -> None:
        about = {"product_key": self.product}
        counts = self.account.call("QueryDeviceStatistics", **about)["Data"]
        statuses = list(self.status.values())
        assert counts == {
            "deviceCount": len(statuses),
            "onlineCount": statuses.count(Status.ONLINE),
            "activeCount": len(self.connected),
        }
        for status in BY_STATUS:
            page = self.account.call("QueryDeviceByStatus", status=int(status), page_size=50, **about)
            names = [device["DeviceName"] for device in page["Data"]["SimpleDeviceInfo"]]
            assert page["Total"] == len(names)
            assert sorted(names) == sorted(name for name, found in self.status.items() if found is status)


class TestStatuses(Statuses.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the class at run time
    settings = settings(max_examples=30, stateful_step_count=25)
    stack = ExitStack()

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.stack.enter_context(tempfile.TemporaryDirectory())
        Statuses.account = Account(cls.stack.enter_context(open_registry(Settings(data_dir=Path(directory)))))

    @classmethod
    def tearDownClass(cls) -> None:
        cls.stack.close()


def test_a_device_goes_through_every_status(account: Account, key: str) -> None:
    """The same on both databases, once."""
    account.register(key, "pump-a")
    about = {"product_key": key, "device_name": "pump-a"}
    seen = [status_of(account, key, "pump-a")]
    for action in ("DisableThing", "EnableThing", "online", "DisableThing", "EnableThing", "ResetThing"):
        if action == "online":
            connect(account, key, "pump-a", Status.ONLINE)
        else:
            account.call(action, **about)
        seen.append(status_of(account, key, "pump-a"))
    assert seen == ["UNACTIVE", "DISABLE", "UNACTIVE", "ONLINE", "DISABLE", "OFFLINE", "UNACTIVE"]
    detail = account.call("QueryDeviceDetail", **about)["Data"]
    assert (detail["GmtActive"], detail["UtcOnline"]) == ("", "")


def test_the_time_of_a_status_moves_with_the_status_only(account: Account, key: str) -> None:
    account.register(key, "pump-a")
    about = {"product_key": key, "device_name": "pump-a"}

    def since() -> int:
        return int(account.call("GetDeviceStatus", **about)["Data"]["Timestamp"])

    registered = since()
    account.call("EnableThing", **about)
    assert since() == registered
    account.call("DisableThing", **about)
    disabled = since()
    assert disabled >= registered
    account.call("DisableThing", **about)
    assert since() == disabled


def test_a_disabled_device_keeps_its_secret_and_its_ids(account: Account, key: str) -> None:
    account.register(key, "pump-a")
    about = {"product_key": key, "device_name": "pump-a"}
    before = account.call("QueryDeviceInfo", **about)
    for action in ("DisableThing", "EnableThing", "ResetThing"):
        account.call(action, **about)
        assert account.call("QueryDeviceInfo", **about) == before


@pytest.mark.parametrize("status", BY_STATUS)
def test_devices_of_an_account_are_listed_by_status_newest_first(
    account: Account, stranger: Account, status: Status
) -> None:
    theirs = stranger.product()
    stranger.register(theirs, "pump-a", "pump-b")
    mine, other = account.product(), account.product()
    ids = []
    for number in range(3):
        for product in (mine, other):
            ids += account.register(product, f"pump-{number}")
    for owner, product, names in ((account, mine, 3), (account, other, 3), (stranger, theirs, 2)):
        for number in range(names):
            name = f"pump-{number}" if owner is account else f"pump-{'ab'[number]}"
            if status in (Status.ONLINE, Status.OFFLINE):
                connect(owner, product, name, status)
            elif status is Status.DISABLE:
                owner.call("DisableThing", product_key=product, device_name=name)
    listed = []
    for page in range(1, 4):
        answer = account.call("QueryDeviceByStatus", status=int(status), page_size=2, current_page=page)
        listed += [device["IotId"] for device in answer["Data"]["SimpleDeviceInfo"]]
    assert listed == sorted(ids, reverse=True)[: len(listed)]
    assert len(listed) == 6
    assert stranger.call("QueryDeviceByStatus", status=int(status), product_key=theirs)["Total"] == 2


def test_states_are_asked_for_fifty_at_a_time(account: Account, key: str) -> None:
    ids = account.register(key, *(f"pump-{number:02}" for number in range(51)))
    states = account.call("BatchGetDeviceState", iot_id=ids[:50])["DeviceStatusList"]["DeviceStatus"]
    assert [state["IotId"] for state in states] == ids[:50]
    assert {state["Status"] for state in states} == {"UNACTIVE"}
    assert account.refusal("BatchGetDeviceState", iot_id=ids) == "iot.device.DeviceCountExceeded"
    names = ["pump-00", "nobody"]
    assert account.refusal("BatchGetDeviceState", product_key=key, device_name=names) == "iot.device.NotExistedDevice"
