"""A file is planned row by row, and applied as its policy says."""

import pytest

from nameplate.call import Registry
from nameplate.domain.batch import State
from nameplate.domain.file_batch import Application, FindingKind, Outcome, Policy, Stage
from nameplate.imports import file_batches
from nameplate.refusal import RefusedError
from nameplate.settings import Settings
from tests.support.file_batches import ALL, EXISTING, REPLACING, VALID, Importer, names, table

SECRETS = ("DeviceName", "DeviceSecret")


@pytest.fixture
def importer(registry: Registry, settings: Settings) -> Importer:
    return Importer(registry, settings)


def test_a_plan_says_of_every_row_what_becomes_of_it(importer: Importer) -> None:
    importer.register("pump-2", nickname="Pump_2")
    importer.register("pump-3", nickname="Pump_3")
    rows = [("pump-3", "Other"), ("pump-1", "Pump_1"), ("pump-2", "Pump_2"), ("no", "Pump_4"), ("pump-1", "Again")]
    batch = importer.plan(table(rows, ("DeviceName", "Nickname")))
    progress = importer.progress(batch)
    assert (progress.state, progress.stage) == (State.CHECK_FAILED, Stage.PLANNED)
    assert (progress.total, progress.illegal, progress.unchanged, progress.conflicts) == (5, 2, 1, 1)
    assert (progress.to_create, progress.created, progress.failed) == (1, 0, 3)
    assert importer.rows(batch, Outcome.CREATE) == ["pump-1"]
    assert importer.rows(batch, Outcome.UNCHANGED) == ["pump-2"]
    assert importer.rows(batch, Outcome.CONFLICT) == ["pump-3"]
    found = [(one.line, one.kind, one.column, one.value) for one in importer.findings(batch)]
    assert found == [
        (2, FindingKind.CONFLICT, "Nickname", "Other"),
        (5, FindingKind.ILLEGAL, "DeviceName", "no"),
        (6, FindingKind.ILLEGAL, "DeviceName", "pump-1"),
    ]
    assert set(importer.devices()) == {"pump-2", "pump-3"}


def test_skip_invalid_leaves_exactly_the_good_ones(importer: Importer) -> None:
    importer.register("pump-3", nickname="Pump_3")
    rows = [("pump-1", "Pump_1"), ("pump-3", "Other"), ("n", "Pump_4"), ("pump-2", "Pump_2")]
    progress = importer.load(table(rows, ("DeviceName", "Nickname")), VALID)
    assert (progress.state, progress.stage) == (State.CREATE_FAILED, Stage.ENDED)
    assert (progress.created, progress.failed, progress.illegal, progress.conflicts) == (2, 2, 1, 1)
    assert set(importer.devices(progress.batch_id)) == {"pump-1", "pump-2"}
    assert (importer.device("pump-3").nickname, importer.device("pump-1").nickname) == ("Pump_3", "Pump_1")


def test_all_or_nothing_is_refused_while_a_row_is_illegal_or_in_conflict(importer: Importer) -> None:
    importer.register("pump-3", nickname="Pump_3")
    for content in (names("pump-1", "n"), table([("pump-1", "A_12"), ("pump-3", "Other")], ("DeviceName", "Nickname"))):
        batch = importer.plan(content)
        with pytest.raises(RefusedError, match=r"CannotBeApplied.*1 of its rows"):
            importer.apply(batch, ALL)
        assert importer.progress(batch).state is State.CHECK_FAILED
    assert set(importer.devices()) == {"pump-3"}


def test_all_or_nothing_creates_all(importer: Importer) -> None:
    importer.register("pump-3")
    progress = importer.load(names("pump-1", "pump-3", "pump-2"), ALL)
    assert (progress.state, progress.created, progress.unchanged) == (State.CREATE_SUCCESS, 2, 1)
    assert set(importer.devices(progress.batch_id)) == {"pump-1", "pump-2"}


def test_all_or_nothing_is_undone_if_a_name_is_taken_meanwhile(importer: Importer) -> None:
    batch = importer.plan(names(*(f"pump-{number:05}" for number in range(25_000))))
    importer.register("pump-24999")
    progress = importer.apply(batch, ALL)
    assert (progress.state, progress.stage, progress.created) == (State.CREATE_FAILED, Stage.ENDED, 0)
    assert (progress.failed, progress.policy) == (25_000, Policy.ALL_OR_NOTHING)
    assert set(importer.devices()) == {"pump-24999"}
    assert [(one.line, one.kind, one.value) for one in importer.findings(batch)] == [
        (25_001, FindingKind.TAKEN, "pump-24999")
    ]
    file_batches.retry(importer.call, batch)
    importer.work()
    progress = importer.apply(batch, ALL)
    assert (progress.state, progress.created, progress.unchanged) == (State.CREATE_SUCCESS, 24_999, 1)
    assert len(importer.devices()) == 25_000


def test_of_two_files_with_a_name_in_common_one_is_created_and_one_undone(importer: Importer) -> None:
    first, second = importer.plan(names("pump-1", "pump-2")), importer.plan(names("pump-2", "pump-3"))
    for batch in (first, second):
        file_batches.apply(importer.call, batch, ALL)
    importer.work()
    assert [importer.progress(batch).state for batch in (first, second)] == [State.CREATE_SUCCESS, State.CREATE_FAILED]
    assert set(importer.devices()) == {"pump-1", "pump-2"}


def test_skip_existing_leaves_what_exists_as_it_is(importer: Importer) -> None:
    importer.register("pump-3", nickname="Pump_3")
    content = table([("pump-1", "Pump_1"), ("pump-3", "Other"), ("pump-2", "")], ("DeviceName", "Nickname"))
    batch = importer.plan(content)
    importer.register("pump-2")
    progress = importer.apply(batch, EXISTING)
    assert (progress.state, progress.created, progress.failed, progress.conflicts) == (State.CREATE_SUCCESS, 1, 0, 1)
    assert importer.device("pump-3").nickname == "Pump_3"
    with pytest.raises(RefusedError, match="illegal"):
        importer.apply(importer.plan(names("n", "pump-4")), EXISTING)


def test_the_same_file_twice_changes_nothing_and_says_so(importer: Importer) -> None:
    content = table([("pump-1", "secret-1"), ("pump-2", ""), ("pump-3", "secret-3")], SECRETS)
    importer.load(content)
    before = importer.devices()
    assert (before["pump-1"], before["pump-3"]) == ("secret-1", "secret-3")
    batch = importer.plan(content)
    progress = importer.progress(batch)
    assert (progress.state, progress.unchanged, progress.to_create) == (State.CHECK_SUCCESS, 3, 0)
    progress = importer.apply(batch, ALL)
    assert (progress.state, progress.unchanged, progress.created, progress.failed) == (State.CREATE_SUCCESS, 3, 0, 0)
    assert importer.devices() == before
    assert importer.devices(batch) == {}


def test_what_was_exported_is_unchanged(importer: Importer) -> None:
    """A secret that derives from a device's id is the same content as that text."""
    importer.load(names("pump-1", "pump-2"))
    batch = importer.plan(table(importer.devices().items(), SECRETS))
    assert (importer.progress(batch).state, importer.progress(batch).unchanged) == (State.CHECK_SUCCESS, 2)


def test_a_secret_is_never_replaced_unless_that_is_said(importer: Importer) -> None:
    importer.load(table([("pump-1", "secret-1")], SECRETS))
    content = table([("pump-1", "another-1"), ("pump-2", "secret-2")], SECRETS)
    batch = importer.plan(content)
    [finding] = importer.findings(batch)
    assert (finding.column, finding.value) == ("DeviceSecret", None)
    assert "another-1" not in str(finding)
    importer.apply(batch, VALID)
    assert importer.devices() == {"pump-1": "secret-1", "pump-2": "secret-2"}
    progress = importer.apply(importer.plan(content), REPLACING)
    assert (progress.state, progress.updated, progress.conflicts) == (State.CREATE_SUCCESS, 1, 0)
    assert importer.devices() == {"pump-1": "another-1", "pump-2": "secret-2"}
    assert importer.findings(progress.batch_id) == []


def test_what_replaces_may_not_be_all_or_nothing(importer: Importer) -> None:
    batch = importer.plan(names("pump-1"))
    with pytest.raises(RefusedError, match="cannot be undone"):
        importer.apply(batch, Application(Policy.ALL_OR_NOTHING, replaces=True))


def test_a_plan_that_allows_it_is_applied_at_once(importer: Importer) -> None:
    batch = importer.plan(names("pump-1"), application=ALL)
    assert importer.progress(batch).state is State.CREATE_SUCCESS
    batch = importer.plan(names("pump-2", "n"), application=ALL)
    assert importer.progress(batch).state is State.CHECK_FAILED
    assert set(importer.devices()) == {"pump-1"}


def test_tags_and_serial_numbers_come_with_the_devices(importer: Importer) -> None:
    header = ("DeviceName", "Sn", "tag:line")
    importer.load(table([("pump-1", "S1", "a"), ("pump-2", "", ""), ("pump-3", "S3", "b")], header))
    store = importer.registry.store
    found = [importer.device(f"pump-{number}") for number in (1, 2, 3)]
    assert [(one.sn, store.tags.of(one.id)) for one in found] == [
        ("S1", {"line": "a"}),
        (None, {}),
        ("S3", {"line": "b"}),
    ]
    again = table([("pump-1", "S1", "c"), ("pump-3", "S3", "b")], header)
    batch = importer.plan(again)
    assert [one.column for one in importer.findings(batch)] == ["Tags"]
    importer.apply(batch, REPLACING)
    assert store.tags.of(found[0].id) == {"line": "c"}
