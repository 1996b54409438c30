"""Batches that come from files: announced, planned, applied, cancelled, tried again, and how far they are."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from nameplate.call import Call
from nameplate.domain.batch import State, Step
from nameplate.domain.file_batch import Application, FindingKind, Outcome, Policy, Stage, UploadState
from nameplate.domain.product import AuthType
from nameplate.errors import BATCH_CANNOT_BE_APPLIED, UPLOAD_IS_GONE
from nameplate.files.layout import Layout
from nameplate.imports.uploads import get_batch, new_upload
from nameplate.store.client_tokens import ClientToken
from nameplate.store.file_batches import FileBatch
from nameplate.store.findings import StoredFinding
from nameplate.store.plan import PlanRow
from nameplate.store.uploads import Upload

_NEWEST: Final = 1 << 62
_PLANNED: Final = (State.CHECK_SUCCESS, State.CHECK_FAILED)
_ENDED: Final = (State.CREATE_SUCCESS, State.CREATE_FAILED)


@dataclass(frozen=True, slots=True)
class File:
    """The file that a batch comes from; sizes in bytes, None if its sender has not said."""

    name: str
    size: int | None
    received: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is, and its plan in numbers of rows.

    `failed` are the rows that the present or last step has refused; `problem` says why a file could not be read. What
    is not known is None. Times are milliseconds since 1970 UTC.
    """

    batch_id: int
    product_key: str
    state: State
    stage: Stage
    policy: Policy | None
    replaces: bool
    file: File
    rows_read: int
    total: int
    illegal: int
    unchanged: int
    conflicts: int
    to_create: int
    checked: int
    created: int
    updated: int
    failed: int
    rows_per_second: float | None
    seconds_left: float | None
    problem: str | None
    created_at: int
    moved_at: int
    is_file_kept: bool


def announce(  # noqa: PLR0913 (what may be said of a file)
    call: Call,
    product_key: str,
    name: str,
    *,
    size: int | None = None,
    layout: Layout | None = None,
    application: Application | None = None,
    token: ClientToken | None = None,
) -> Progress:
    """Begin a batch whose rows are in a file that will be sent; the same token's request begins one only once.

    With an `application` it is applied as soon as it is checked, if its plan allows that. Raises the product refusals
    and BATCH_CANNOT_BE_APPLIED.
    """
    product = call.product(product_key)
    if application is not None:
        _require_fit(product.auth_type, application)
    earlier = call.store.client_tokens.find(token)
    if earlier is not None:
        return progress(call, earlier)
    batch_id = call.store.counters.mint("batch")
    new = new_upload(call, batch_id, product.id, name, size=size, layout=layout, application=application)
    return progress(call, call.store.uploads.announce(new, token, call.now()))


def progress(call: Call, batch_id: int) -> Progress:
    """Return how far a batch is. Raises BATCH_NOT_FOUND and NOT_A_FILE_BATCH."""
    return _progress(call, get_batch(call, batch_id))


def page(
    call: Call, *, product_key: str | None = None, state: State | None = None, after: int = 0, size: int = 100
) -> list[Progress]:
    """Return up to `size` batches that come from files, newest first, older than the batch `after`."""
    found = call.store.file_batches.page(call.account_id, product_key, state, after or _NEWEST, size)
    return [_progress(call, batch) for batch in found]


def apply(call: Call, batch_id: int, application: Application) -> Progress:
    """Create the rows of a checked file that a policy chooses; applied in the same way before, nothing changes.

    Raises BATCH_IS_BUSY, BATCH_HAS_ENDED, BATCH_CANNOT_BE_APPLIED and TOO_MANY_DEVICES.
    """
    batch = get_batch(call, batch_id)
    _require_fit(call.store.products.get(batch.product_id).auth_type, application)
    problem = _file(call, batch_id).problem
    if problem is not None and batch.cancelled_at is None:
        raise BATCH_CANNOT_BE_APPLIED(problem=f"its file could not be read. {problem}")
    call.store.file_batches.apply(batch_id, application, call.now(), call.registry.limits.devices)
    call.registry.wake()
    return progress(call, batch_id)


def cancel(call: Call, batch_id: int) -> Progress:
    """Create nothing more of a batch; what there is stays, or is undone if all or nothing was to be created.

    Raises BATCH_HAS_ENDED if everything has been created.
    """
    get_batch(call, batch_id)
    call.store.file_batches.cancel(batch_id, call.now())
    call.registry.wake()
    call.registry.wake_readers()
    return progress(call, batch_id)


def retry(call: Call, batch_id: int, application: Application | None = None) -> Progress:
    """Check rows whose names others had once more, and what was undone; apply them at once if that is given.

    Raises BATCH_IS_BUSY, BATCH_HAS_ENDED, NOTHING_TO_RETRY and UPLOAD_IS_GONE.
    """
    batch = get_batch(call, batch_id)
    if application is not None:
        _require_fit(call.store.products.get(batch.product_id).auth_type, application)
    if batch.cancelled_at is None and batch.state is State.CREATE_FAILED and _file(call, batch_id).key is None:
        # The names went with it.
        raise UPLOAD_IS_GONE()
    call.store.file_batches.retry(batch_id, application, call.now())
    call.registry.wake()
    return progress(call, batch_id)


def findings(
    call: Call,
    batch_id: int,
    kinds: Collection[FindingKind] = tuple(FindingKind),
    after: tuple[int, int] = (0, -1),
    size: int = 1_000,
) -> list[StoredFinding]:
    """Return up to `size` findings about rows, in the order of lines, that come after a line and place."""
    get_batch(call, batch_id)
    return call.store.findings.page(batch_id, after, size, kinds)


def rows(call: Call, batch_id: int, outcome: Outcome, after: int = -1, size: int = 1_000) -> list[PlanRow]:
    """Return up to `size` legal rows of one outcome, in the order of ordinals, above `after`."""
    get_batch(call, batch_id)
    return call.store.plans.rows(batch_id, outcome, after, size)


def _require_fit(auth_type: str, application: Application) -> None:
    if auth_type == AuthType.X509 and application.policy is not Policy.ALL_OR_NOTHING:
        raise BATCH_CANNOT_BE_APPLIED(problem="devices with certificates are created all-or-nothing only")


def _file(call: Call, batch_id: int) -> Upload:
    found = call.store.uploads.find(batch_id)
    assert found is not None
    return found


def _progress(call: Call, batch: FileBatch) -> Progress:
    upload, latest = _file(call, batch.id), call.store.uploads.latest(batch.id)
    assert latest is not None
    counts, stage = batch.counts, _stage(batch, latest)
    rate = _rate(batch, latest, stage, call.now())
    left = counts.total - counts.done if stage is not Stage.READING else 0
    return Progress(
        batch_id=batch.id,
        product_key=batch.product_key,
        state=batch.state,
        stage=stage,
        policy=batch.policy,
        replaces=batch.replaces,
        file=File(upload.name, upload.size, upload.received),
        rows_read=latest.rows_read,
        total=counts.total,
        illegal=counts.illegal,
        unchanged=counts.unchanged,
        conflicts=counts.conflicts,
        to_create=counts.to_create,
        checked=counts.done if batch.state is State.CHECK else counts.total,
        created=counts.created,
        updated=counts.updated,
        failed=counts.refused,
        rows_per_second=rate,
        seconds_left=left / rate if rate and left else None,
        problem=latest.problem,
        created_at=batch.created_at,
        moved_at=batch.moved_at,
        is_file_kept=upload.key is not None,
    )


def _stage(batch: FileBatch, latest: Upload) -> Stage:
    if batch.state is State.CREATE:
        return Stage.UNDOING if batch.step is Step.UNDO else Stage.CREATING
    if batch.cancelled_at is not None:
        return Stage.CANCELLED
    if batch.state in _ENDED or (batch.state in _PLANNED and not batch.counts.total):
        return Stage.ENDED
    if batch.state in _PLANNED:
        return Stage.PLANNED
    if latest.state is UploadState.RECEIVING:
        return Stage.UPLOADING
    # Rows that are to be checked come when all are read and sorted.
    return Stage.READING if batch.is_reading and batch.counts.done == batch.counts.total else Stage.CHECKING


def _rate(batch: FileBatch, latest: Upload, stage: Stage, now: int) -> float | None:
    """Return how many rows the present step has been through per second."""
    counts = batch.counts
    since: dict[Stage, Callable[[], tuple[int, int | None]]] = {
        Stage.READING: lambda: (latest.rows_read, latest.started_at),
        Stage.CHECKING: lambda: (counts.done, latest.started_at),
        Stage.CREATING: lambda: (counts.done - counts.illegal, batch.moved_at),
        Stage.UNDOING: lambda: (counts.done - counts.illegal, batch.moved_at),
    }
    if stage not in since:
        return None
    done, started = since[stage]()
    if started is None or done <= 0 or now <= started:
        return None
    return 1000 * done / (now - started)
