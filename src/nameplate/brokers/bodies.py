"""What brokers and devices send: forms and JSON objects, bounded, and nothing of them believed."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from nameplate.errors import HOOK_BODY_NOT_VALID
from nameplate.wire.request import Request

MAX_BYTES: Final = 1024 * 1024
"""The largest body: some brokers send a message's payload along, in base 64."""

_MOST_FIELDS: Final = 100
_LONGEST: Final = 4_096


def read_object(request: Request) -> Mapping[str, Any]:
    """Return a JSON object, or a form's fields. Raises HOOK_BODY_NOT_VALID."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return read_form(request)
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise HOOK_BODY_NOT_VALID(problem="it is not JSON") from None
    if not isinstance(found, dict):
        raise HOOK_BODY_NOT_VALID(problem="it is not a JSON object")
    return found


def read_form(request: Request) -> Mapping[str, str]:
    """Return a form's fields, each there once. Raises HOOK_BODY_NOT_VALID."""
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise HOOK_BODY_NOT_VALID(problem="it is not a form in UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise HOOK_BODY_NOT_VALID(problem="a field is there more than once")
    return fields


def text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that has to be there. Raises HOOK_BODY_NOT_VALID."""
    if fields.get(name) is None:
        raise HOOK_BODY_NOT_VALID(problem=f"{name} is missing")
    return optional(fields, name)


def optional(fields: Mapping[str, Any], name: str) -> str:
    """Return a field, or an empty text if it is not there. Raises HOOK_BODY_NOT_VALID for what is no text."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or "\0" in value:
        raise HOOK_BODY_NOT_VALID(problem=f"{name} is not a text of at most {_LONGEST} characters")
    return value
