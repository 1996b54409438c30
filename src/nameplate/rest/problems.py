"""Everything that REST refuses, as problem details (RFC 9457): what is wrong, where, and what to do.

What an operation refuses keeps the vendor's code; here it gets the HTTP status and the advice that the wire has no
place for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from nameplate.errors import (
    ACCOUNT_DENIED,
    BATCH_CANNOT_BE_APPLIED,
    BATCH_HAS_ENDED,
    BATCH_IS_BUSY,
    BATCH_NOT_FOUND,
    DEVICE_NOT_FOUND,
    INVALID_APPLY_ID,
    INVALID_PRODUCT_KEY,
    INVALID_PRODUCT_NAME,
    LONG_PRODUCT_DESCRIPTION,
    NO_CORRECTIONS,
    NOT_A_FILE_BATCH,
    NOTHING_TO_RETRY,
    PRODUCT_NAME_TAKEN,
    PRODUCT_NOT_FOUND,
    SERVICE_UNAVAILABLE,
    TOKEN_CONTENT_DIFFERS,
    TOO_MANY_DEVICES,
    TOO_MANY_PRODUCTS,
    UPLOAD_IS_BUSY,
    UPLOAD_IS_COMPLETE,
    UPLOAD_IS_ELSEWHERE,
    UPLOAD_IS_GONE,
    UPLOAD_IS_LARGER,
    UPLOAD_IS_SHORTER,
    UPLOAD_OFFSET_DIFFERS,
)
from nameplate.refusal import RefusedError

CONTENT_TYPE: Final = "application/problem+json"
PLACE: Final = "/v1/problems"
"""Where the codes are explained."""


class ProblemError(Exception):
    """A problem on its way to the caller; only the edge catches it."""

    def __init__(self, code: str, status: int, texts: tuple[str, str, str], where: str) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.title, self.detail, self.fix = texts
        self.where = where
        self.headers: dict[str, str] = {}

    def with_headers(self, **headers: str) -> "ProblemError":
        """Say more in headers, with `_` for `-`."""
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self

    def details(self, request_id: str) -> dict[str, Any]:
        """Return the members of the answer."""
        return {
            "type": f"{PLACE}#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "where": self.where,
            "fix": self.fix,
            "request_id": request_id,
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the catalogue. Calling it makes the exception to raise; `{name}`s are filled from the details."""

    code: str
    status: int
    title: str
    detail: str
    fix: str

    def __call__(self, *, where: str = "", **details: object) -> ProblemError:
        """Fill the texts in."""
        texts = (self.title, self.detail.format(**details), self.fix.format(**details))
        return ProblemError(self.code, self.status, texts, where)


NOT_FOUND = Problem("NotFound", 404, "There is nothing here", "There is no {path}.", "See /v1/openapi.json.")
METHOD_NOT_ALLOWED = Problem(
    "MethodNotAllowed", 405, "This method is not for this path", "{path} does not take {method}.", "Send {allowed}."
)
CREDENTIALS_MISSING = Problem(
    "CredentialsMissing",
    401,
    "Who is calling is not said",
    "The call has no Authorization header.",
    "Send the access key's id and secret by HTTP Basic, or a token of POST /v1/tokens as Bearer.",
)
CREDENTIALS_INVALID = Problem(
    "CredentialsInvalid",
    401,
    "Who is calling cannot be believed",
    "There is no such access key, it is disabled, or the secret is not its own.",
    "Check id and secret; `nameplate keys list` shows which keys there are.",
)
SECURITY_TOKEN_INVALID = Problem(
    "SecurityTokenInvalid",
    401,
    "The temporary key's token is missing, wrong or over",
    "A temporary access key needs its SecurityToken, and ends when that does.",
    "Send it as x-nameplate-security-token, or make a new temporary key.",
)
TOKEN_INVALID = Problem(
    "TokenInvalid",
    401,
    "The bearer token is not valid, or not any more",
    "It was not made here, is older than {minutes} minutes, or its access key was disabled or changed.",
    "Ask for a new one at POST /v1/tokens with the access key.",
)
ROLE_DENIED = Problem(
    "RoleDenied",
    403,
    "The access key may not do this",
    "Its role is {role}; this needs the role {needed}.",
    "Use an access key with that role: nameplate keys create --role {needed}.",
)
INVALID_PARAMETER = Problem("InvalidParameter", 422, "A parameter is not valid", "{problem}.", "{fix}")
UNKNOWN_PARAMETER = Problem(
    "UnknownParameter", 422, "There is no such parameter", "{name} is none of {known}.", "Leave it out."
)
INVALID_BODY = Problem("InvalidBody", 422, "The body is not valid", "{problem}.", "{fix}")
BODY_NOT_JSON = Problem(
    "BodyNotJson", 400, "The body is not JSON", "It cannot be read: {problem}.", "Send one JSON object, in UTF-8."
)
MEDIA_TYPE = Problem(
    "UnsupportedMediaType", 415, "The body is of another type", "Content-Type is {sent}.", "Send {wanted}."
)
BODY_TOO_LARGE = Problem(
    "BodyTooLarge", 413, "The body is too large", "It has more than {most} bytes.", "Send less; files go to {path}."
)
BODY_TOO_SLOW = Problem(
    "BodyTooSlow",
    408,
    "The body has stopped arriving",
    "Nothing has arrived for {seconds} seconds.",
    "Send the rest; for a file, HEAD says from where.",
)
TOO_BUSY = Problem(
    "TooBusy", 503, "Too many calls are waiting", "The server is busy with other calls.", "Try again in a second."
)
INTERNAL = Problem(
    "InternalError",
    500,
    "Something went wrong in the server",
    "The call failed for a reason that is in the server's log, under this request_id.",
    "Try again; if it goes on, ask whoever runs the server.",
)
UNREADABLE_FILE = Problem("UnreadableFile", 422, "The file cannot be read so", "{problem}.", "{fix}")
DISK_FULL = Problem(
    "DiskFull",
    507,
    "The server has no room for the file",
    "What has arrived is kept; the rest does not fit on its disk.",
    "Ask whoever runs the server to make room, and go on from where HEAD says.",
)
UPLOAD_DISPLACED = Problem(
    "UploadDisplaced",
    409,
    "Another request goes on with this file",
    "A newer request is sending the same file.",
    "Let that one end; HEAD says how far it is.",
)
EXPORT_NOT_FOUND = Problem(
    "ExportNotFound",
    404,
    "There is no manifest",
    "No export of this id has been delivered to its end.",
    "Take the id of x-nameplate-export, and ask once the file is whole.",
)
INVALID_RECIPIENT = Problem(
    "InvalidRecipient", 422, "The file cannot be sealed to this key", "{problem}", "Send an age public key: age1…"
)
WEBHOOK_NOT_FOUND = Problem(
    "WebhookNotFound",
    404,
    "There is no such webhook",
    "The account has none of this id.",
    "GET /v1/webhooks lists them.",
)
WEBHOOK_DISABLED = Problem(
    "WebhookDisabled",
    409,
    "The webhook is disabled",
    "Its endpoint has answered 410, which asks for no more.",
    "Delete it and create it again.",
)
TOO_MANY_WEBHOOKS = Problem(
    "TooManyWebhooks", 422, "The account has too many webhooks", "It has {most}.", "Delete one that nobody needs."
)


class _Advice(NamedTuple):
    status: int
    where: str
    fix: str


_ADVICE: Final = {
    PRODUCT_NOT_FOUND.code: _Advice(404, "product_key", "GET /v1/products lists the products that there are."),
    INVALID_PRODUCT_KEY.code: _Advice(404, "product_key", "GET /v1/products lists the products that there are."),
    BATCH_NOT_FOUND.code: _Advice(404, "batch_id", "GET /v1/batches lists the batches that there are."),
    INVALID_APPLY_ID.code: _Advice(404, "batch_id", "GET /v1/batches lists the batches that there are."),
    DEVICE_NOT_FOUND.code: _Advice(404, "device_name", "GET the product's devices."),
    PRODUCT_NAME_TAKEN.code: _Advice(409, "name", "Take another name, or use that product."),
    INVALID_PRODUCT_NAME.code: _Advice(422, "name", "Take a name of this form."),
    LONG_PRODUCT_DESCRIPTION.code: _Advice(422, "description", "Shorten it."),
    TOO_MANY_PRODUCTS.code: _Advice(422, "", "Delete a product that nobody needs, or raise NAMEPLATE_MOST_PRODUCTS."),
    TOKEN_CONTENT_DIFFERS.code: _Advice(422, "Idempotency-Key", "Send another key with another request."),
    NOT_A_FILE_BATCH.code: _Advice(409, "batch_id", "Ask for it by its ApplyId at the signed API."),
    BATCH_IS_BUSY.code: _Advice(409, "batch_id", "Follow /v1/batches/{batch_id}/events, then send this again."),
    BATCH_HAS_ENDED.code: _Advice(409, "batch_id", "Announce another batch."),
    BATCH_CANNOT_BE_APPLIED.code: _Advice(409, "policy", "Correct the failed rows, or choose another policy."),
    NOTHING_TO_RETRY.code: _Advice(409, "batch_id", "PUT corrected rows to /v1/batches/{batch_id}/corrections."),
    UPLOAD_OFFSET_DIFFERS.code: _Advice(409, "Upload-Offset", "Go on from the Upload-Offset of this answer."),
    UPLOAD_IS_COMPLETE.code: _Advice(409, "batch_id", "Nothing is to be sent; follow the batch."),
    UPLOAD_IS_BUSY.code: _Advice(409, "batch_id", "Wait a moment, ask by HEAD how far it is, and go on from there."),
    UPLOAD_IS_LARGER.code: _Advice(413, "body", "Announce a batch with the true size, or without one."),
    UPLOAD_IS_SHORTER.code: _Advice(422, "body", "Send the rest by PATCH, or announce a batch with the true size."),
    UPLOAD_IS_ELSEWHERE.code: _Advice(409, "batch_id", "Send this to that host."),
    UPLOAD_IS_GONE.code: _Advice(410, "batch_id", "Announce a batch and send the file again."),
    NO_CORRECTIONS.code: _Advice(409, "batch_id", "PUT them as a whole."),
    TOO_MANY_DEVICES.code: _Advice(422, "", "Take another product, or raise NAMEPLATE_MOST_DEVICES."),
    SERVICE_UNAVAILABLE.code: _Advice(503, "", "Send the same call again."),
}
_OTHERWISE: Final = _Advice(422, "", "Change what is said to be wrong, and send it again.")


def translate(refused: RefusedError, advice: Mapping[str, _Advice] = _ADVICE) -> ProblemError:
    """Return what an operation or the gateway has refused as a problem."""
    # Whether a key is another account's is nobody's business.
    if refused.code == ACCOUNT_DENIED.code:
        refused = PRODUCT_NOT_FOUND()
    status, where, fix = advice.get(refused.code, _OTHERWISE)
    if refused.code not in advice and not refused.is_business:
        status = refused.status
    problem = ProblemError(refused.code, status, (_title(refused.message), refused.message, fix), where)
    if refused.code == UPLOAD_OFFSET_DIFFERS.code and refused.data is not None:
        problem.with_headers(upload_offset=str(refused.data["offset"]))
    return problem


def _title(message: str) -> str:
    return message.split(". ", 1)[0].split(": ", 1)[0].rstrip(".")


def catalogue() -> list[Problem]:
    """Return every problem of REST itself, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Problem)]
