"""The reference page of REST, written from the routes."""

from typing import Any

from nameplate.rest import site
from nameplate.rest.documents import problems_table
from nameplate.rest.openapi import document

_METHODS = ("get", "head", "post", "put", "patch", "delete")

assert site.ROUTED  # the routes are there once their modules are


def rest_page() -> str:
    """Write docs/rest.md."""
    found = document()
    parts = [
        "# REST",
        "",
        "Generated from the code by `make docs`; `/v1/openapi.json` says the same to programs (OpenAPI 3.1). An access",
        "key calls by HTTP Basic, or with a token of `POST /v1/tokens` as `Authorization: Bearer …`; a temporary key",
        "sends its SecurityToken beside, as `x-nameplate-security-token`. Times are milliseconds since 1970 UTC.",
        "",
    ]
    for path, methods in found["paths"].items():
        for method in _METHODS:
            if method in methods:
                parts += _operation(f"{method.upper()} {path}", methods[method])
    parts += ["## Objects", ""]
    for name, schema in found["components"]["schemas"].items():
        if "properties" in schema:
            parts += _object(name, schema)
    parts += [
        "## Problems",
        "",
        "Whatever is refused is answered as `application/problem+json`, with `code`, `where` and `fix`. Besides these,",
        "the codes of [errors.md](errors.md) are given where the same rules apply.",
        "",
        *problems_table(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _operation(title: str, operation: dict[str, Any]) -> list[str]:
    parts = [f"## {title}", "", operation["summary"]]
    if "description" in operation:
        parts += ["", operation["description"]]
    role = operation.get("x-role")
    parts += ["", f"Needs the role `{role}`." if role else "Needs no access key.", ""]
    parameters = operation.get("parameters", [])
    if parameters:
        parts += ["| Parameter | In | Type | Required | |", "|---|---|---|---|---|"]
        parts += [_row(one["name"], one["in"], _kind(one["schema"]), one) for one in parameters] + [""]
    body = operation.get("requestBody", {}).get("content", {})
    answers = {kind: media for response in operation["responses"].items() for kind, media in _media(*response)}
    said = [f"Takes {_named(kind, media)}." for kind, media in body.items()]
    said += [f"Gives {_named(kind, media)}." for kind, media in answers.items()]
    return [*parts, " ".join(said), ""] if said else parts


def _media(status: str, response: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [] if status == "default" else list(response.get("content", {}).items())


def _row(name: str, place: str, kind: str, parameter: dict[str, Any]) -> str:
    required = "yes" if parameter["required"] else "no"
    return f"| `{name}` | {place} | {kind} | {required} | {parameter.get('description', '')} |"


def _object(name: str, schema: dict[str, Any]) -> list[str]:
    parts = [
        f"### {name}",
        "",
        " ".join(schema.get("description", "").split()),
        "",
        "| Member | Type | |",
        "|---|---|---|",
    ]
    for member, found in schema["properties"].items():
        parts.append(f"| `{member}` | {_kind(found)} | {found.get('description', '')} |")
    return [*parts, ""]


def _named(kind: str, media: dict[str, Any]) -> str:
    schema = media.get("schema", {})
    return f"{_kind(schema)} (`{kind}`)" if schema else f"`{kind}`"


def _kind(schema: dict[str, Any]) -> str:
    """Say in a few words what a schema allows."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}))} …"
    return str(schema.get("type", "any"))
