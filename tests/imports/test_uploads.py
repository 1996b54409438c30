"""Files arrive in pieces, are read once, and are kept for as long as they are needed."""

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import event

from nameplate.call import Registry
from nameplate.domain.batch import ROWS_PER_PART, State, Step
from nameplate.domain.file_batch import Stage
from nameplate.domain.secrets import MasterKey, mint_key
from nameplate.imports import file_batches, uploads
from nameplate.imports.reader import Readers
from nameplate.operations.selection import device_secret
from nameplate.refusal import RefusedError
from nameplate.settings import Settings
from nameplate.store.parts import Turns
from nameplate.store.resealing import reseal
from nameplate.store.schema import upload
from tests.support.account import Account
from tests.support.file_batches import ALL, VALID, Importer, names, table


@pytest.fixture
def importer(registry: Registry, settings: Settings) -> Importer:
    return Importer(registry, settings)


def test_a_file_comes_in_pieces(importer: Importer) -> None:
    content, batch = names("pump-1", "pump-2"), importer.announce()
    for start in range(0, len(content), 7):
        with uploads.receiving(importer.call, batch, start) as receiver:
            receiver.append(content[start : start + 7])
        assert importer.progress(batch).stage is Stage.UPLOADING
    with uploads.receiving(importer.call, batch, len(content)) as receiver:
        receiver.complete()
    importer.read()
    importer.work()
    assert importer.progress(batch).to_create == 2


def test_a_piece_that_does_not_fit_is_refused_with_the_right_offset(importer: Importer) -> None:
    batch = importer.announce()
    with uploads.receiving(importer.call, batch, 0) as receiver:
        receiver.append(b"DeviceName\n")
    with pytest.raises(RefusedError, match="OffsetDiffers") as refused, uploads.receiving(importer.call, batch, 4):
        pass
    assert refused.value.data == {"offset": 11}
    with uploads.receiving(importer.call, batch, None) as receiver:
        assert receiver.received == 0


def test_of_two_who_send_one_file_one_is_refused(importer: Importer) -> None:
    batch = importer.announce()
    first, second = (uploads.receiving(importer.call, batch, 0) for _ in range(2))
    with first, pytest.raises(RefusedError, match=r"upload\.IsBusy"), second:
        pass


def test_a_file_ends_where_it_was_said_to(importer: Importer) -> None:
    content = names("pump-1")
    batch = importer.announce(size=len(content))
    with uploads.receiving(importer.call, batch, 0) as receiver:
        receiver.append(content[:5])
        with pytest.raises(RefusedError, match="IsShorter"):
            receiver.complete()
        with pytest.raises(RefusedError, match="IsLarger"):
            receiver.append(content)
        receiver.append(content[5:])
        assert receiver.is_complete
    with pytest.raises(RefusedError, match="IsComplete"), uploads.receiving(importer.call, batch, 0):
        pass


def test_what_lies_on_disk_tells_nothing(importer: Importer, settings: Settings) -> None:
    importer.submit(table([("pump-1", "secret-of-pump-1")], ("DeviceName", "DeviceSecret")))
    kept = [path for path in (settings.data_dir / "files").iterdir() if path.suffix != ".lock"]
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]
    everything = b"".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    assert b"secret-of-pump-1" not in everything


def test_a_file_that_cannot_be_read_says_why(importer: Importer) -> None:
    batch = importer.plan(b"A,B\n1,2\n", application=ALL)
    progress = importer.progress(batch)
    assert (progress.state, progress.stage, progress.total) == (State.CHECK_FAILED, Stage.ENDED, 0)
    assert "DeviceName" in str(progress.problem)
    with pytest.raises(RefusedError, match="could not be read"):
        importer.apply(batch, VALID)


@pytest.mark.parametrize("kept", [0.3, 0.9, 1.0])
def test_of_a_file_that_is_damaged_on_disk_nothing_is_read(importer: Importer, registry: Registry, kept: float) -> None:
    content = names(*(f"pump-{number}" for number in range(1000)))
    batch = importer.announce()
    with uploads.receiving(importer.call, batch, 0) as receiver:
        for start in range(0, len(content), 1000):
            receiver.append(content[start : start + 1000])
        receiver.complete()
    path = registry.files / f"{batch}-0"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= kept == 1.0
    path.write_bytes(data[: int(len(data) * kept)])
    importer.read()
    progress = importer.progress(batch)
    assert (progress.state, progress.total) == (State.CHECK_FAILED, 0)
    assert "is not what was sent" in str(progress.problem)


def test_failed_rows_of_a_file_that_is_damaged_on_disk_are_refused(importer: Importer, registry: Registry) -> None:
    batch = importer.load(names("pump-2", "n")).batch_id
    importer.read()
    path = registry.files / f"{batch}-0"
    path.write_bytes(path.read_bytes()[:-1])
    open_, _ = uploads.source(importer.call, batch)
    with pytest.raises(RefusedError, match="IsDamaged"):
        open_()


def test_a_file_is_deleted_when_nothing_has_failed(importer: Importer) -> None:
    good, bad = importer.load(names("pump-1")).batch_id, importer.load(names("pump-2", "n")).batch_id
    importer.read()
    assert not importer.progress(good).is_file_kept
    assert importer.progress(bad).is_file_kept
    with pytest.raises(RefusedError, match="IsGone"):
        uploads.source(importer.call, good)
    open_, layout = uploads.source(importer.call, bad)
    with open_() as file:
        assert file.read() == names("pump-2", "n")
    assert layout.columns == {"DeviceName": "DeviceName"}


def test_corrections_are_announced_before_they_are_sent(importer: Importer) -> None:
    batch = importer.announce()
    with pytest.raises(RefusedError, match="NotAnnounced"):
        uploads.find(importer.call, batch, corrections=True)


def test_a_file_on_another_host_is_asked_for_there(importer: Importer, registry: Registry) -> None:
    batch = importer.load(names("n")).batch_id
    importer.read()
    elsewhere = upload.update().where(upload.c.batch_id == batch).values(host="factory-2")
    with registry.store.database.transaction() as connection:
        connection.execute(elsewhere)
    for kept in registry.files.iterdir():
        kept.unlink()
    with pytest.raises(RefusedError, match=r"IsElsewhere: The file is on the host factory-2"):
        uploads.source(importer.call, batch)


def test_a_file_is_kept_for_so_many_days(registry: Registry, settings: Settings) -> None:
    importer = Importer(registry, settings.model_copy(update={"keep_files": 0}))
    batch = importer.load(names("pump-2", "n")).batch_id
    sending = importer.announce()
    importer.read()
    assert not importer.progress(batch).is_file_kept
    assert importer.progress(sending).stage is Stage.CANCELLED
    assert list((settings.data_dir / "files").iterdir()) == []
    with pytest.raises(RefusedError, match="IsGone"):
        file_batches.retry(importer.call, batch)


def test_a_token_announces_one_file(importer: Importer) -> None:
    token = importer.call.token("once", importer.product)
    assert importer.announce(token=token) == importer.announce(token=token)


def test_secrets_of_a_file_under_way_are_sealed_again(importer: Importer, registry: Registry) -> None:
    rows = [("pump-1", "secret-1"), ("pump-2", ""), ("pump-3", "long-secret-3")]
    batch = importer.submit(table(rows, ("DeviceName", "DeviceSecret")))
    new = MasterKey(mint_key())
    reseal(registry.store.database, registry.master, new, registry.master.present)
    importer.move_to(new)
    importer.work()
    importer.apply(batch)
    store = importer.registry.store
    product = store.products.find(importer.product)
    assert product is not None
    secrets = [device_secret(importer.call, product, importer.device(f"pump-{number}")) for number in (1, 3)]
    assert secrets == ["secret-1", "long-secret-3"]


def test_certificates_come_for_all_devices_of_a_file_or_none(importer: Importer) -> None:
    call = {"product_name": "sealed", "node_type": 0, "auth_type": "x509"}
    importer.product = importer.account.call("CreateProduct", **call)["ProductKey"]
    batch = importer.plan(names("pump-1", "pump-2", "pump-3"))
    with pytest.raises(RefusedError, match="all-or-nothing only"):
        importer.apply(batch, VALID)
    importer.register("pump-2")
    assert importer.apply(batch, ALL).created == 0
    certificates = importer.registry.store.certificates
    assert len(certificates.between(0, 2**62)) == 1
    file_batches.retry(importer.call, batch, ALL)
    importer.work()
    assert importer.progress(batch).state is State.CREATE_SUCCESS
    assert {name for name, _ in certificates.between(0, 2**62)} == {"pump-1", "pump-2", "pump-3"}


def test_a_file_takes_turns_with_others(registry: Registry, settings: Settings) -> None:
    large, small = (Importer(registry, settings, Account(registry, name)) for name in ("first", "second"))
    large.submit(names(*(f"pump-{number:06}" for number in range(3 * ROWS_PER_PART))))
    small.submit(names("pump-1"))
    turns, served = Turns(), []
    for _ in range(2):
        flow = registry.store.parts.next_flow(turns, registry.clock())
        assert flow is not None
        claims = registry.store.parts.claim(uuid4().hex, flow, registry.clock(), 2**60)
        assert all(claim.is_of_file and claim.step is Step.CHECK for claim in claims)
        served.append(flow.account_id)
    assert sorted(served) == sorted([large.account.id, small.account.id])


def test_a_reader_that_dies_at_once_again_and_again_is_given_up(
    importer: Importer, registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nameplate.imports.reader._PROGRAM", ("false",))
    batch = importer.announce()
    importer.send(batch, names("pump-1"))
    assert Readers(registry, settings).work()
    progress = importer.progress(batch)
    assert (progress.state, progress.stage) == (State.CHECK_FAILED, Stage.ENDED)
    assert "died 10 times" in str(progress.problem)


def test_a_small_batch_of_the_wire_takes_no_more_statements(registry: Registry) -> None:
    """What files need costs others nothing: as many statements as without them, one of which counts the devices.

    Prepared reads are not counted, nor is what begins a transaction on SQLite.
    """
    account = Account(registry)
    product = account.product()
    # With one between the names it takes a worker to check them.
    account.register(product, "pump-15")
    apply_id = account.call("BatchCheckDeviceNames", product_key=product, device_name=["pump-1", "pump-2"])
    seen: list[str] = []
    event.listen(registry.store.database.engine, "before_cursor_execute", lambda *sent: seen.append(sent[2]))
    account.worker.work()
    is_embedded = registry.store.database.is_embedded
    assert len(seen) == (5 if is_embedded else 7), seen
    seen.clear()
    account.call("BatchRegisterDeviceWithApplyId", product_key=product, apply_id=int(apply_id["Data"]["ApplyId"]))
    seen.clear()
    account.worker.work()
    assert len(seen) == (9 if is_embedded else 12), seen


def test_the_directory_of_files_is_for_its_owner(importer: Importer, settings: Settings) -> None:
    importer.submit(names("pump-1"))
    assert Path(settings.data_dir / "files").stat().st_mode & 0o777 == 0o700
