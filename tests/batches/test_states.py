"""The state machine against a small model of what the documentation says."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from nameplate.domain.batch import FOLLOWERS, STEPS, State
from nameplate.refusal import RefusedError
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.account import Account

GOOD = [f"name-{letter}" for letter in "abcdefgh"]
names = st.lists(st.sampled_from([*GOOD, "bad name", "no"]), min_size=1, max_size=6)


class Model:
    """What should be true: which names are taken, and where each batch stands."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.batches: dict[int, dict[str, Any]] = {}

    def begin(self, sent: list[str]) -> str:
        """Return the state in which a batch of these names begins."""
        is_odd = len(set(sent)) < len(sent) or not set(sent) <= set(GOOD)
        has_between = any(min(sent) <= name <= max(sent) for name in self.taken)
        return "CHECK" if is_odd or has_between else "CHECK_SUCCESS"

    def check(self, batch: dict[str, Any]) -> None:
        sent = batch["names"]
        batch["refused"] = {n for n in sent if n not in GOOD or n in self.taken or sent.count(n) > 1}
        batch["accepted"] = [n for n in sent if n not in batch["refused"]]
        batch["state"] = "CHECK_FAILED" if batch["refused"] else "CHECK_SUCCESS"

    def create(self, batch: dict[str, Any]) -> None:
        batch["refused"] = {n for n in batch["names"] if n in self.taken}
        batch["accepted"] = [n for n in batch["names"] if n not in batch["refused"]]
        batch["state"] = "CREATE_FAILED" if batch["refused"] else "CREATE_SUCCESS"
        batch["created"] = batch["accepted"]
        self.taken |= set(batch["accepted"])

    def work(self) -> None:
        for _, batch in sorted(self.batches.items()):
            {"CHECK": self.check, "CREATE": self.create}.get(batch["state"], lambda _: None)(batch)


class Batches(RuleBasedStateMachine):
    """Drives the real operations, store and worker beside the model."""

    applied = Bundle("applied")

    account: ClassVar[Account]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @initialize()
    def create_product(self) -> None:
        self.product = self.account.product(f"p_{uuid4().hex[:20]}")

    @rule(target=applied, sent=names)
    def check_names(self, sent: list[str]) -> int:
        answer = self.account.call("BatchCheckDeviceNames", product_key=self.product, device_name=sent)
        batch = int(answer["Data"]["ApplyId"])
        self.model.batches[batch] = {"state": self.model.begin(sent), "names": sent, "created": []}
        return batch

    @rule(target=applied, count=st.integers(1, 3))
    def register_minted_names(self, count: int) -> int:
        answer = self.account.call("BatchRegisterDevice", product_key=self.product, count=count)
        batch = int(answer["Data"]["ApplyId"])
        self.model.batches[batch] = {"state": "CREATE", "names": [], "created": [], "minted": True}
        self.model.batches[batch]["names"] = [f"minted {batch} {number}" for number in range(count)]
        return batch

    @rule(batch=applied)
    def create(self, batch: int) -> None:
        expected = self.model.batches[batch]
        refusal = {
            "CHECK": "iot.device.CreateDeviceTaskIsRunning",
            "CHECK_FAILED": "iot.device.IncorrentDeviceApplyInfo",
        }.get(expected["state"])
        if expected.get("minted"):
            refusal = "iot.device.IncorrentDeviceApplyInfo"
        call = {"product_key": self.product, "apply_id": batch}
        if refusal:
            with pytest.raises(RefusedError, match=refusal):
                self.account.call("BatchRegisterDeviceWithApplyId", **call)
            return
        assert self.account.call("BatchRegisterDeviceWithApplyId", **call)["Data"]["ApplyId"] == batch
        if expected["state"] == "CHECK_SUCCESS":
            expected["state"] = "CREATE"

    @rule(name=st.sampled_from(GOOD))
    def register_one(self, name: str) -> None:
        call = {"product_key": self.product, "device_name": name}
        if name in self.model.taken:
            with pytest.raises(RefusedError, match="AlreadyExistedDeviceName"):
                self.account.call("RegisterDevice", **call)
        else:
            assert self.account.call("RegisterDevice", **call)["Data"]["DeviceName"] == name
            self.model.taken.add(name)

    @rule()
    def work(self) -> None:
        self.model.work()
        self.account.work()

    @invariant()
    def every_batch_stands_where_the_model_says(self) -> None:
        for batch, expected in self.model.batches.items():
            self.assert_status(batch, expected)
            self.assert_page(batch, expected)

    def assert_status(self, batch: int, expected: dict[str, Any]) -> None:
        call = {"product_key": self.product, "apply_id": batch}
        status = self.account.call("QueryBatchRegisterDeviceStatus", **call)["Data"]
        assert status["Status"] == expected["state"]
        failed = expected["state"].endswith("FAILED")
        assert status["ValidList"]["Name"] == (expected["accepted"] if failed else [])
        assert set(status["InvalidList"]["Name"]) == (expected["refused"] if failed else set())
        detailed = {row["DeviceName"] for row in status["InvalidDetailList"]["invalidDetailList"]}
        assert detailed == (expected["refused"] if failed else set())

    def assert_page(self, batch: int, expected: dict[str, Any]) -> None:
        page = self.account.call("QueryPageByApplyId", apply_id=batch, page_size=50)
        made = [row["DeviceName"] for row in page["ApplyDeviceList"]["ApplyDeviceInfo"]]
        assert page["Total"] == len(made) == len(expected["created"])
        if not expected.get("minted"):
            assert made == expected["created"]


class TestBatches(Batches.TestCase):  # type: ignore[misc, valid-type]  # hypothesis makes the class at run time
    settings = settings(max_examples=60, stateful_step_count=25)
    stack = ExitStack()

    @classmethod
    def setUpClass(cls) -> None:
        directory = cls.stack.enter_context(tempfile.TemporaryDirectory())
        Batches.account = Account(cls.stack.enter_context(open_registry(Settings(data_dir=Path(directory)))))

    @classmethod
    def tearDownClass(cls) -> None:
        cls.stack.close()


@pytest.mark.parametrize("state", State)
def test_a_state_is_final_or_worked_on_or_waits_for_a_caller(state: State) -> None:
    assert (state in STEPS) == (len(FOLLOWERS[state]) == 2)
    assert len(FOLLOWERS[state]) in (0, 1, 2)
