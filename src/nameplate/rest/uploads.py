"""Files on their way in: whole by PUT, or piece by piece by PATCH, as tus 1.0 does it, so that nothing is sent twice.

A piece is written by a thread before the next one is taken off the socket: a client sends as fast as the disk takes it,
and nothing is held in memory.
"""

import asyncio
import time
from functools import partial
from typing import Annotated, Final

from pydantic import Field

from nameplate.domain.access import Role
from nameplate.domain.file_batch import Application, Policy, UploadState
from nameplate.imports import file_batches, uploads
from nameplate.imports.file_batches import Progress
from nameplate.observation import seconds_since_call
from nameplate.rest.batches import Apply, FileName, FileSize, GivenLayout
from nameplate.rest.calls import RestCall
from nameplate.rest.problems import MEDIA_TYPE
from nameplate.rest.replies import Reply
from nameplate.rest.routes import BatchId, Body, Chunks, Header, IdempotencyKey, route
from nameplate.rest.streams import entered, in_thread

PIECE: Final = "application/offset+octet-stream"

_CALM_SECONDS: Final = 0.25
_WAY: Final = 2
_PIECES: Final = (PIECE, "application/octet-stream", "application/partial-upload")

Offset = Annotated[
    int, Header("Upload-Offset"), Field(ge=0, lt=2**53, description="How many bytes of the file are there already.")
]
ContentType = Annotated[str, Header("Content-Type")]
Complete = Annotated[
    str | None,
    Header("Upload-Complete"),
    Field(pattern=r"^\?[01]$", description="`?1` if the file ends with this piece; for a file of unknown size."),
]


class NewCorrections(Body):
    """A file of corrected rows."""

    name: FileName = "corrections"
    size: FileSize = None
    layout: GivenLayout | None = None
    apply: Apply | None = Field(None, description="Apply the batch with this as soon as its plan allows it.")


@route("HEAD", "/v1/batches/{batch_id}/file", role=Role.REGISTRAR)
def head_file(call: RestCall, batch_id: BatchId) -> Reply[None]:
    """Say how much of a batch's file is here: Upload-Offset, Upload-Length if it is known, Upload-Complete."""
    return Reply(None, _headers(call, batch_id, corrections=False))


@route("PATCH", "/v1/batches/{batch_id}/file", role=Role.REGISTRAR, status=204, body_type=PIECE)
async def patch_file(
    call: RestCall,
    batch_id: BatchId,
    upload_offset: Offset,
    chunks: Chunks,
    content_type: ContentType,
    upload_complete: Complete = None,
) -> Reply[None]:
    """Append a piece to a batch's file, at Upload-Offset: with another offset than the file's the answer is 409.

    The file is complete when the size that was announced is reached, or with `Upload-Complete: ?1`. Whatever has
    arrived before a connection breaks is kept; HEAD says how much that is.
    """
    _require_piece(content_type)
    return await _append(call, batch_id, upload_offset, chunks, upload_complete, corrections=False)


@route("PUT", "/v1/batches/{batch_id}/file", role=Role.REGISTRAR)
async def put_file(call: RestCall, batch_id: BatchId, chunks: Chunks) -> Progress:
    """Send a batch's file as a whole; what was there of it is dropped."""
    await _receive(call, batch_id, None, chunks, completes=True)
    return await in_thread(call.site.uploads.pool, lambda: file_batches.progress(call, batch_id))


@route("POST", "/v1/batches/{batch_id}/corrections", role=Role.REGISTRAR)
def announce_corrections(
    call: RestCall, batch_id: BatchId, body: NewCorrections, idempotency_key: IdempotencyKey = None
) -> Progress:
    """Announce corrected rows, to be sent piece by piece; what was announced before and has not come is dropped.

    The batch changes when all of them are here.
    """
    layout = None if body.layout is None else body.layout.as_layout()
    application = None if body.apply is None else body.apply.as_application()

    def announce() -> int:
        return uploads.correct(
            call, batch_id, body.name, size=body.size, layout=layout, application=application
        ).batch_id

    call.once(idempotency_key, (batch_id, body.model_dump()), announce)
    return file_batches.progress(call, batch_id)


@route("HEAD", "/v1/batches/{batch_id}/corrections", role=Role.REGISTRAR)
def head_corrections(call: RestCall, batch_id: BatchId) -> Reply[None]:
    """Say how much is here of the corrections that were announced last, as for a batch's file."""
    return Reply(None, _headers(call, batch_id, corrections=True))


@route("PATCH", "/v1/batches/{batch_id}/corrections", role=Role.REGISTRAR, status=204, body_type=PIECE)
async def patch_corrections(
    call: RestCall,
    batch_id: BatchId,
    upload_offset: Offset,
    chunks: Chunks,
    content_type: ContentType,
    upload_complete: Complete = None,
) -> Reply[None]:
    """Append a piece to the corrections that were announced last, as to a batch's file."""
    _require_piece(content_type)
    return await _append(call, batch_id, upload_offset, chunks, upload_complete, corrections=True)


@route("PUT", "/v1/batches/{batch_id}/corrections", role=Role.REGISTRAR)
async def put_corrections(
    call: RestCall,
    batch_id: BatchId,
    chunks: Chunks,
    name: FileName = "corrections",
    policy: Annotated[Policy | None, Field(description="Apply it with this as soon as the plan allows it.")] = None,
    replace_secrets: bool = False,  # noqa: FBT001, FBT002 (a parameter of the query)
) -> Progress:
    """Send corrected rows as a whole, in the form of the failed rows: each takes the place of the row of its `Line`."""
    application = None if policy is None else Application(policy, replace_secrets)
    pool = call.site.uploads.pool
    await in_thread(pool, lambda: uploads.correct(call, batch_id, name, application=application))
    await _receive(call, batch_id, None, chunks, completes=True, corrections=True)
    return await in_thread(pool, lambda: file_batches.progress(call, batch_id))


def _require_piece(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() not in _PIECES:
        raise MEDIA_TYPE(where="Content-Type", sent=content_type[:100], wanted=PIECE)


async def _append(
    call: RestCall, batch_id: int, offset: int, chunks: Chunks, complete: str | None, *, corrections: bool
) -> Reply[None]:
    await _receive(call, batch_id, offset, chunks, completes=complete == "?1", corrections=corrections)
    headers = await in_thread(call.site.uploads.pool, lambda: _headers(call, batch_id, corrections=corrections))
    return Reply(None, headers)


async def _receive(
    call: RestCall,
    batch_id: int,
    offset: int | None,
    chunks: Chunks,
    *,
    completes: bool,
    corrections: bool = False,
) -> None:
    """Write what arrives."""
    pool = call.site.uploads.pool
    async with call.site.uploads.turn(batch_id) as turn:
        receiving = uploads.receiving(call, batch_id, offset, corrections=corrections)
        async with entered(pool, receiving) as receiver:
            began = time.perf_counter()
            async for piece in turn.pieces(chunks):
                await in_thread(pool, partial(receiver.append, piece))
                await _give_way(time.perf_counter() - began)
                began = time.perf_counter()
            if completes:
                await in_thread(pool, receiver.complete)


async def _give_way(seconds: float) -> None:
    """Wait after a piece that took so long, if somebody is calling: whoever waits for an answer comes first."""
    if seconds_since_call() < _CALM_SECONDS:
        await asyncio.sleep(min(_WAY * seconds, _CALM_SECONDS))


def _headers(call: RestCall, batch_id: int, *, corrections: bool) -> dict[str, str]:
    found = uploads.find(call, batch_id, corrections=corrections)
    received = uploads.count_received(call.registry, found)
    is_complete = found.state is not UploadState.RECEIVING
    headers = {"upload-offset": str(received), "upload-complete": "?1" if is_complete else "?0"}
    return headers if found.size is None else {**headers, "upload-length": str(found.size)}
