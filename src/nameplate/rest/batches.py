"""Batches of files: announced, planned, applied, followed."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import Field

from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.file_batch import Application, Policy, Stage
from nameplate.files.layout import Format, Layout
from nameplate.imports import file_batches
from nameplate.imports.file_batches import Progress
from nameplate.rest.calls import RestCall
from nameplate.rest.replies import Feed, Reply, Seen
from nameplate.rest.routes import Answer, BatchId, Body, IdempotencyKey, Limit, ProductKey, route

_LONGEST_NAME: Final = 200
_ENDED: Final = (Stage.ENDED, Stage.CANCELLED)

FileName = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, description="The file's name.")]
FileSize = Annotated[int | None, Field(ge=1, lt=2**53, description="Its size in bytes, if it is known.")]


class GivenLayout(Body):
    """How a file is written, as far as it shall not be found out."""

    format: Format | None = None
    compression: str | None = Field(None, pattern="^(gzip|zstd|none)$")
    encoding: str | None = Field(None, max_length=40, description="As Python names it: utf-8-sig, utf-16, gbk, …")
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    quote: str | None = Field(None, min_length=1, max_length=1)
    sheet: str | None = Field(None, max_length=_LONGEST_NAME)
    columns: dict[str, str] | None = Field(
        None, max_length=10, description="Which header, or number, of the file is DeviceName, DeviceSecret, …"
    )

    def as_layout(self) -> Layout:
        """Return it as it is read by."""
        return Layout.from_json(self.model_dump(exclude_none=True))


class Apply(Body):
    """How a batch is applied."""

    policy: Policy
    replace_secrets: bool = Field(
        default=False, description="Give devices that exist with other content what the file says."
    )

    def as_application(self) -> Application:
        """Return it as it is done by."""
        return Application(self.policy, self.replace_secrets)


class NewBatch(Body):
    """A file to import."""

    product_key: ProductKey
    name: FileName
    size: FileSize = None
    layout: GivenLayout | None = None
    apply: Apply | None = Field(None, description="Apply it with this as soon as the plan allows it.")


class BatchPage(Answer):
    """Batches, newest first."""

    items: list[Progress]
    next: int | None = Field(description="Send it as `after` for the next page; null on the last.")


@route("POST", "/v1/batches", role=Role.REGISTRAR, status=201)
def create_batch(call: RestCall, body: NewBatch, idempotency_key: IdempotencyKey = None) -> Reply[Progress]:
    """Announce a file. Then send it to `/v1/batches/{batch_id}/file`, and follow the batch to its plan."""
    made = file_batches.announce(
        call,
        body.product_key,
        body.name,
        size=body.size,
        layout=None if body.layout is None else body.layout.as_layout(),
        application=None if body.apply is None else body.apply.as_application(),
        token=call.token(idempotency_key, body.model_dump()),
    )
    return Reply(made, {"location": f"/v1/batches/{made.batch_id}"})


@route("GET", "/v1/batches", role=Role.READER)
def list_batches(
    call: RestCall,
    product_key: ProductKey | None = None,
    state: State | None = None,
    after: Annotated[int, Field(ge=0, lt=10**15, description="`next` of the page before.")] = 0,
    limit: Limit = 100,
) -> BatchPage:
    """List the account's batches of files, newest first."""
    found = file_batches.page(call, product_key=product_key, state=state, after=after, size=limit + 1)
    page = found[:limit]
    return BatchPage(items=page, next=page[-1].batch_id if len(found) > limit else None)


@route("GET", "/v1/batches/{batch_id}", role=Role.READER)
def get_batch(call: RestCall, batch_id: BatchId) -> Progress:
    """Return how far a batch is, and its plan's counts."""
    return file_batches.progress(call, batch_id)


@route("POST", "/v1/batches/{batch_id}/apply", role=Role.REGISTRAR)
def apply_batch(call: RestCall, batch_id: BatchId, body: Apply, idempotency_key: IdempotencyKey = None) -> Progress:
    """Create what the plan says.

    `all-or-nothing` creates every row or none; `skip-invalid` every row that can be created; `skip-existing` every row
    that does not exist yet, and takes those that do as they are.
    """
    application = body.as_application()
    return _once(
        call, idempotency_key, batch_id, body.model_dump(), lambda: file_batches.apply(call, batch_id, application)
    )


@route("POST", "/v1/batches/{batch_id}/cancel", role=Role.REGISTRAR)
def cancel_batch(call: RestCall, batch_id: BatchId, idempotency_key: IdempotencyKey = None) -> Progress:
    """Stop a batch. What it has created stays, but with all-or-nothing it is undone."""
    return _once(call, idempotency_key, batch_id, None, lambda: file_batches.cancel(call, batch_id))


@route("POST", "/v1/batches/{batch_id}/retry", role=Role.REGISTRAR)
def retry_batch(
    call: RestCall, batch_id: BatchId, body: Apply | None = None, idempotency_key: IdempotencyKey = None
) -> Progress:
    """Check rows that were in conflict or taken again, without another file; with a body, apply them too.

    What is still to be created in the same part is looked at anew as well.
    """
    application = None if body is None else body.as_application()
    content = body and body.model_dump()
    return _once(call, idempotency_key, batch_id, content, lambda: file_batches.retry(call, batch_id, application))


@route("GET", "/v1/batches/{batch_id}/events", role=Role.READER, media_type="text/event-stream")
def follow_batch(call: RestCall, batch_id: BatchId) -> Feed:
    """Follow a batch by server-sent events, until it ends.

    `progress` whenever something has changed, at most 4 times a second, and `end` at its end; each with what
    `GET /v1/batches/{batch_id}` gives. A feed that breaks off begins again with how far the batch is then.
    """
    file_batches.progress(call, batch_id)
    return Feed(batch_id, lambda: _look(call, batch_id))


def _look(call: RestCall, batch_id: int) -> Seen:
    progress = file_batches.progress(call, batch_id)
    return Seen(progress, progress.stage in _ENDED)


def _once(
    call: RestCall, idempotency_key: str | None, batch_id: int, content: object, work: Callable[[], Progress]
) -> Progress:
    call.once(idempotency_key, (batch_id, content), lambda: work().batch_id)
    return file_batches.progress(call, batch_id)
