"""Devices out: streamed in any format, sealed to whoever shall have them, with a signed manifest."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from nameplate import exports
from nameplate.domain.access import Role
from nameplate.domain.device import Status
from nameplate.domain.secrets import mint_text
from nameplate.exports import COLUMNS, Export, Filter
from nameplate.files.layout import Format
from nameplate.files.manifest import Digest, Manifest, public_key_of
from nameplate.files.sealing import seal
from nameplate.files.unreadable import UnreadableFileError
from nameplate.files.writing import write
from nameplate.rest.calls import RestCall
from nameplate.rest.media import MEDIA_TYPES, SEALED
from nameplate.rest.problems import EXPORT_NOT_FOUND, INVALID_PARAMETER, INVALID_RECIPIENT
from nameplate.rest.replies import Download
from nameplate.rest.routes import Answer, BatchId, ProductKey, route

EXPORT: Final = "x-nameplate-export"

_ID_LENGTH: Final = 24
_MOST_RECIPIENTS: Final = 20
_BINARY: Final = "application/octet-stream"


class DeviceStatus(StrEnum):
    """Whether a device may connect, and whether it does."""

    UNACTIVE = "unactive"
    ONLINE = "online"
    OFFLINE = "offline"
    DISABLE = "disable"


Recipients = Annotated[
    list[str],
    Field(max_length=_MOST_RECIPIENTS, description="age public keys (age1…): the file is sealed to these."),
]
Tags = Annotated[list[str], Field(max_length=10, description="KEY=VALUE: only devices with every one of these tags.")]
ExportId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,40}$", description="What x-nameplate-export said.")]


class ManifestKey(Answer):
    """What manifests are verified with."""

    public_key: str = Field(description="Ed25519, base64.")


@route("GET", "/v1/batches/{batch_id}/devices", role=Role.REGISTRAR, media_type=_BINARY)
def export_batch(
    call: RestCall,
    batch_id: BatchId,
    format: Format = Format.CSV,  # noqa: A002 (the query's)
    to: Recipients = [],  # noqa: B006 (nobody changes it)
) -> Download:
    """Download a batch's devices with their secrets, in the order of its rows.

    With `to` the file is sealed (age) before it leaves. Once it is whole, its signed manifest is at
    `/v1/exports/{export_id}/manifest`, with the id that the header x-nameplate-export gives.
    """
    return _download(call, exports.of_batch(call, batch_id), format, to, f"batch-{batch_id}")


@route("GET", "/v1/products/{product_key}/devices", role=Role.REGISTRAR, media_type=_BINARY)
def export_product(
    call: RestCall,
    product_key: ProductKey,
    format: Format = Format.CSV,  # noqa: A002 (the query's)
    to: Recipients = [],  # noqa: B006 (nobody changes it)
    status: DeviceStatus | None = None,
    tag: Tags = [],  # noqa: B006 (nobody changes it)
) -> Download:
    """Download a product's devices with their secrets, or those with a status and tags; else like a batch's."""
    wanted = Filter(None if status is None else Status[status.name], dict(_read_tag(text) for text in tag))
    return _download(call, exports.of_product(call, product_key, wanted), format, to, f"product-{product_key}")


@route("GET", "/v1/exports/{export_id}/manifest", role=Role.REGISTRAR, media_type="application/json")
def get_manifest(call: RestCall, export_id: ExportId) -> str:
    """Return the signed manifest of an export that was delivered to its end."""
    manifest = call.store.exports.find(export_id, call.account_id)
    if manifest is None:
        raise EXPORT_NOT_FOUND(where="export_id")
    return manifest


@route("GET", "/v1/manifest-key", role=Role.READER)
def get_manifest_key(call: RestCall) -> ManifestKey:
    """Return the public key that manifests of this installation are verified with."""
    return ManifestKey(public_key=public_key_of(call.site.manifest_key))


def _download(call: RestCall, export: Export, format_: Format, recipients: list[str], name: str) -> Download:
    export_id, digest = mint_text(_ID_LENGTH), Digest()
    pieces = write(format_, export.pages(), COLUMNS)
    media_type, suffix = MEDIA_TYPES[format_], f".{format_}"
    if recipients:
        pieces, media_type, suffix = _seal(pieces, recipients), SEALED, f"{suffix}.age"

    def keep() -> None:
        now = call.now()
        manifest = Manifest(
            export_id=export_id,
            product_key=export.product.key,
            batch_id=export.batch_id,
            format=format_.value,
            rows=export.rows,
            size=digest.size,
            digest=digest.sha256,
            recipients=recipients,
            account=call.key.account,
            access_key_id=call.key.id,
            created_at=now,
            columns=list(COLUMNS),
        )
        call.store.exports.add(export_id, call.account_id, manifest.sign(call.site.manifest_key), now)

    return Download(digest.through(pieces), media_type, f"{name}{suffix}", {EXPORT: export_id}, keep)


def _seal(pieces: Iterator[bytes], recipients: list[str]) -> Iterator[bytes]:
    try:
        return seal(pieces, recipients)
    except UnreadableFileError as error:
        raise INVALID_RECIPIENT(where="to", problem=error.problem) from None


def _read_tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise INVALID_PARAMETER(where="tag", problem=f"tag: {text[:100]} has no =", fix="Send KEY=VALUE.")
    return key, value
