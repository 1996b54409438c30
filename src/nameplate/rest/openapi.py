"""The OpenAPI 3.1 document, derived from the routes."""

import dataclasses
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter

from nameplate.rest.access import SECURITY_TOKEN
from nameplate.rest.problems import CONTENT_TYPE
from nameplate.rest.replies import Download, Feed, Reply
from nameplate.rest.routes import ROUTES, Parameter, Route

JSON: Final = "application/json"

_REFERENCE: Final = "#/components/schemas/{model}"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_PROBLEM: Final = {
    "type": "object",
    "description": "What is wrong, where, and what to do (RFC 9457).",
    "properties": dict.fromkeys(("type", "title", "detail", "code", "where", "fix", "request_id"), _TEXT)
    | {"status": {"type": "integer"}},
    "required": ["type", "title", "status", "detail", "code", "where", "fix", "request_id"],
}
_SECURITY: Final = {
    "accessKey": {"type": "http", "scheme": "basic", "description": "An access key's id and secret."},
    "token": {"type": "http", "scheme": "bearer", "description": "A token of POST /v1/tokens."},
    "securityToken": {
        "type": "apiKey",
        "in": "header",
        "name": SECURITY_TOKEN,
        "description": "Beside a temporary access key: its SecurityToken.",
    },
}

Mode = Literal["validation", "serialization"]


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nameplate",
            "version": "1",
            "description": "Device lists in and out: files of millions, batches, exports, webhooks.",
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SECURITY},
        "security": [{"accessKey": []}, {"accessKey": [], "securityToken": []}, {"token": []}],
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    summary, _, description = route.documentation.partition("\n\n")
    found: dict[str, Any] = {"operationId": route.function.__name__, "summary": " ".join(summary.split())}
    if description:
        found["description"] = description
    if route.role is None:
        found["security"] = []
    else:
        found["x-role"] = route.role
    if route.parameters:
        found["parameters"] = [_parameter(parameter, schemas) for parameter in route.parameters]
    if route.body is not None:
        content = {JSON: {"schema": schema(route.body, "validation", schemas)}}
        found["requestBody"] = {"required": route.needs_body, "content": content}
    elif route.takes_chunks:
        found["requestBody"] = {"required": True, "content": {route.body_type: {"schema": {}}}}
    found["responses"] = {str(route.status): _success(route, schemas), "default": _failure()}
    return found


def _parameter(parameter: Parameter, schemas: dict[str, Any]) -> dict[str, Any]:
    found = schema_of(parameter.adapter, "validation", schemas)
    description = found.pop("description", None)
    described = {} if description is None else {"description": description}
    if not parameter.is_required and parameter.default is not None:
        found["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": parameter.kind,
        "required": parameter.is_required,
        "schema": found,
        **described,
    }


def _success(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    hint = get_args(route.answer)[0] if get_origin(route.answer) is Reply else route.answer
    if hint is type(None) or hint is None:
        return {"description": "Done."}
    if route.media_type is not None or hint in (Download, Feed):
        return {"description": "The content.", "content": {route.media_type or "application/octet-stream": {}}}
    return {"description": "The answer.", "content": {JSON: {"schema": schema(hint, "serialization", schemas)}}}


def _failure() -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(model="Problem")}
    return {"description": "A problem.", "content": {CONTENT_TYPE: {"schema": reference}}}


def schema(hint: Any, mode: Mode, schemas: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 (a type)
    """Return the schema of a type; what it is made of goes to `schemas`."""
    found = schema_of(TypeAdapter(hint), mode, schemas)
    if isinstance(hint, type) and (issubclass(hint, BaseModel) or dataclasses.is_dataclass(hint)):
        schemas[hint.__name__] = found
        return {"$ref": _REFERENCE.format(model=hint.__name__)}
    return found


def schema_of(adapter: TypeAdapter[Any], mode: Mode, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an adapter's type; what it is made of goes to `schemas`."""
    found = adapter.json_schema(mode=mode, ref_template=_REFERENCE)
    schemas |= found.pop("$defs", {})
    return found
