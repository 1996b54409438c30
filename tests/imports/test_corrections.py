"""Failed rows are corrected, or looked at once more, under the same batch."""

import pytest

from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.domain.file_batch import Outcome, Stage
from nameplate.imports import file_batches, uploads
from nameplate.refusal import RefusedError
from nameplate.settings import Settings
from tests.support.file_batches import ALL, EXISTING, VALID, Importer, names, table

LINED = ("Line", "DeviceName")


@pytest.fixture
def importer(registry: Registry, settings: Settings) -> Importer:
    return Importer(registry, settings)


def test_corrections_complete_a_batch(importer: Importer) -> None:
    importer.register("pump-9", nickname="Pump_9")
    rows = [("pump-1", ""), ("n", ""), ("pump-9", "Other"), ("pump-2", ""), ("pump-2", "")]
    progress = importer.load(table(rows, ("DeviceName", "Nickname")))
    batch = progress.batch_id
    assert (progress.state, progress.created, progress.failed) == (State.CREATE_FAILED, 2, 3)
    progress = importer.correct(batch, table([("6", "pump-3"), ("3", "pump-4"), ("4", "pump-5")], LINED))
    assert (progress.state, progress.total, progress.illegal, progress.conflicts) == (State.CHECK_SUCCESS, 5, 0, 0)
    assert importer.findings(batch) == []
    assert importer.rows(batch, Outcome.CREATE) == ["pump-3", "pump-4", "pump-5"]
    progress = importer.apply(batch)
    assert (progress.state, progress.created, progress.failed) == (State.CREATE_SUCCESS, 5, 0)
    assert set(importer.devices(batch)) == {f"pump-{number}" for number in (1, 2, 3, 4, 5)}


def test_a_correction_may_be_wrong_again(importer: Importer) -> None:
    batch = importer.load(names("pump-1", "n", "m")).batch_id
    progress = importer.correct(batch, table([("3", "pump-1"), ("4", "x")], LINED), VALID)
    assert (progress.state, progress.illegal, progress.unchanged) == (State.CREATE_FAILED, 1, 1)
    assert [(one.line, one.value) for one in importer.findings(batch)] == [(4, "x")]
    assert importer.correct(batch, table([("4", "pump-2")], LINED), VALID).state is State.CREATE_SUCCESS
    assert set(importer.devices(batch)) == {"pump-1", "pump-2"}


def test_a_line_that_has_not_failed_is_left_out(importer: Importer) -> None:
    batch = importer.load(names("pump-1", "n")).batch_id
    progress = importer.correct(batch, table([("2", "other-1"), ("3", "pump-2"), ("77", "other-2")], LINED), VALID)
    assert (progress.state, progress.total, progress.created) == (State.CREATE_SUCCESS, 2, 2)
    assert set(importer.devices(batch)) == {"pump-1", "pump-2"}


def test_corrections_may_come_before_anything_is_created(importer: Importer) -> None:
    batch = importer.plan(names("pump-1", "n"))
    assert importer.correct(batch, table([("3", "pump-2")], LINED)).state is State.CHECK_SUCCESS
    assert importer.apply(batch, ALL).created == 2


def test_corrections_that_cannot_be_read_change_nothing(importer: Importer) -> None:
    batch = importer.plan(names("pump-1", "n"))
    progress = importer.correct(batch, names("pump-2"))
    assert (progress.state, progress.illegal, progress.total) == (State.CHECK_FAILED, 1, 2)
    assert progress.problem
    assert importer.correct(batch, table([("3", "pump-2")], LINED), ALL).state is State.CREATE_SUCCESS


def test_corrections_of_what_was_undone_come_with_the_rest(importer: Importer) -> None:
    batch = importer.plan(names("pump-1", "pump-2", "pump-3"))
    importer.register("pump-2")
    assert importer.apply(batch, ALL).state is State.CREATE_FAILED
    progress = importer.correct(batch, table([("3", "pump-4")], LINED))
    assert (progress.state, progress.to_create, progress.failed) == (State.CHECK_SUCCESS, 3, 0)
    progress = importer.apply(batch, ALL)
    assert (progress.state, progress.created) == (State.CREATE_SUCCESS, 3)
    assert set(importer.devices(batch)) == {"pump-1", "pump-3", "pump-4"}


def test_a_row_whose_conflict_has_gone_is_created_by_a_retry(importer: Importer) -> None:
    importer.register("pump-2", nickname="Pump_2")
    content = table([("pump-1", "Pump_1"), ("pump-2", "Other")], ("DeviceName", "Nickname"))
    batch = importer.load(content).batch_id
    importer.account.call("DeleteDevice", product_key=importer.product, device_name="pump-2")
    file_batches.retry(importer.call, batch, VALID)
    importer.work()
    progress = importer.progress(batch)
    assert (progress.state, progress.created, progress.conflicts) == (State.CREATE_SUCCESS, 2, 0)
    assert importer.findings(batch) == []


def test_a_row_whose_name_was_taken_is_compared_by_a_retry(importer: Importer) -> None:
    batch = importer.plan(names("pump-1", "pump-2"))
    importer.register("pump-2")
    progress = importer.apply(batch)
    assert (progress.state, progress.failed, progress.created) == (State.CREATE_FAILED, 1, 1)
    file_batches.retry(importer.call, batch, VALID)
    importer.work()
    progress = importer.progress(batch)
    assert (progress.state, progress.unchanged, progress.created) == (State.CREATE_SUCCESS, 1, 1)


def test_there_may_be_nothing_to_retry(importer: Importer) -> None:
    batch = importer.load(names("pump-1", "n")).batch_id
    with pytest.raises(RefusedError, match="NothingToRetry"):
        file_batches.retry(importer.call, batch)
    assert importer.progress(batch).state is State.CREATE_FAILED
    batch = importer.load(names("pump-2")).batch_id
    with pytest.raises(RefusedError, match="HasEnded"):
        file_batches.retry(importer.call, batch)
    with pytest.raises(RefusedError, match="HasEnded"):
        uploads.correct(importer.call, batch, "corrected.csv")


def test_a_batch_that_comes_from_a_file_is_seen_on_the_wire(importer: Importer) -> None:
    batch = importer.load(names("pump-1", "n", "pump-2")).batch_id
    wire = {"product_key": importer.product, "apply_id": batch}
    status = importer.account.call("QueryBatchRegisterDeviceStatus", **wire)["Data"]
    assert (status["Status"], status["Total"], status["Failed"]) == ("CREATE_FAILED", 3, 1)
    assert status["ValidList"]["Name"] == []
    page = importer.account.call("QueryPageByApplyId", apply_id=batch)
    assert page["Total"] == 2
    assert [row["DeviceName"] for row in page["ApplyDeviceList"]["ApplyDeviceInfo"]] == ["pump-1", "pump-2"]
    with pytest.raises(RefusedError, match="IncorrentDeviceApplyInfo"):
        importer.account.call("BatchRegisterDeviceWithApplyId", **wire)


class TestCancelled:
    def test_while_it_is_sent(self, importer: Importer) -> None:
        batch = importer.announce()
        progress = file_batches.cancel(importer.call, batch)
        assert (progress.state, progress.stage, progress.total) == (State.CHECK_FAILED, Stage.CANCELLED, 0)
        with pytest.raises(RefusedError, match="IsComplete"):
            importer.send(batch, names("pump-1"))
        assert file_batches.cancel(importer.call, batch) == progress

    def test_before_it_is_read(self, importer: Importer) -> None:
        batch = importer.announce()
        importer.send(batch, names("pump-1"))
        file_batches.cancel(importer.call, batch)
        self.assert_is_over(importer, batch, State.CHECK_FAILED)

    def test_before_it_is_checked(self, importer: Importer) -> None:
        batch = importer.submit(names("pump-1", "n"))
        assert importer.progress(batch).state is State.CHECK
        progress = file_batches.cancel(importer.call, batch)
        assert (progress.total, progress.failed) == (2, 2)
        self.assert_is_over(importer, batch, State.CHECK_FAILED)

    @pytest.mark.parametrize("content", [names("pump-1"), names("pump-1", "n")])
    def test_before_it_is_applied(self, importer: Importer, content: bytes) -> None:
        batch = importer.plan(content)
        file_batches.cancel(importer.call, batch)
        self.assert_is_over(importer, batch, State.CHECK_FAILED)

    def test_while_it_is_created(self, importer: Importer) -> None:
        batch = importer.plan(names(*(f"pump-{number:05}" for number in range(25_000))))
        file_batches.apply(importer.call, batch, VALID)
        assert importer.account.worker.work()
        progress = file_batches.cancel(importer.call, batch)
        assert (progress.stage, progress.created, progress.failed) == (Stage.CANCELLED, 10_000, 15_000)
        assert len(importer.devices(batch)) == 10_000
        self.assert_is_over(importer, batch, State.CREATE_FAILED, 10_000)

    def test_while_all_or_nothing_is_created(self, importer: Importer) -> None:
        batch = importer.plan(names(*(f"pump-{number:05}" for number in range(25_000))))
        file_batches.apply(importer.call, batch, ALL)
        assert importer.account.worker.work()
        assert file_batches.cancel(importer.call, batch).stage is Stage.UNDOING
        importer.work()
        self.assert_is_over(importer, batch, State.CREATE_FAILED)

    def test_after_some_have_failed(self, importer: Importer) -> None:
        batch = importer.load(names("pump-1", "n")).batch_id
        file_batches.cancel(importer.call, batch)
        self.assert_is_over(importer, batch, State.CREATE_FAILED, 1)

    def test_after_all_were_created_it_is_too_late(self, importer: Importer) -> None:
        batch = importer.load(names("pump-1"), EXISTING).batch_id
        with pytest.raises(RefusedError, match="HasEnded"):
            file_batches.cancel(importer.call, batch)

    def assert_is_over(self, importer: Importer, batch: int, state: State, created: int = 0) -> None:
        importer.read()
        importer.work()
        progress = importer.progress(batch)
        assert (progress.state, progress.stage, progress.created) == (state, Stage.CANCELLED, created)
        assert not progress.is_file_kept
        assert len(importer.devices(batch)) == created
        with pytest.raises(RefusedError, match="HasEnded"):
            importer.apply(batch)
        with pytest.raises(RefusedError, match="HasEnded"):
            file_batches.retry(importer.call, batch)
