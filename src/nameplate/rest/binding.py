"""Reads a call's arguments from its path, query, headers and body, and says where one is not valid."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from nameplate.rest.problems import (
    BODY_NOT_JSON,
    INVALID_BODY,
    INVALID_PARAMETER,
    MEDIA_TYPE,
    UNKNOWN_PARAMETER,
)
from nameplate.rest.routes import Parameter, Route

_MOST_PARAMETERS: Final = 200
_LONGEST_TEXT: Final = 200


def bind(route: Route, places: Mapping[str, str], query: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments that are in the path, the query and the headers. Raises the problems with status 422."""
    sent = _read_query(route, query)
    arguments = {}
    for parameter in route.parameters:
        values = _values(parameter, places, sent, headers)
        if values:
            arguments[parameter.argument] = _read(parameter, values if parameter.is_list else values[0])
        elif parameter.is_required:
            fix = f"Send it: {_form(parameter)}."
            raise INVALID_PARAMETER(
                where=parameter.name, problem=f"The {parameter.kind} lacks {parameter.name}", fix=fix
            )
    return arguments


def read_body(model: type[BaseModel], content_type: str, body: bytes) -> BaseModel:
    """Return a JSON body. Raises a problem, with the place of what is wrong."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise MEDIA_TYPE(
            where="Content-Type", sent=content_type[:_LONGEST_TEXT] or "missing", wanted="application/json"
        )
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        _refuse(model, error)


def _refuse(model: type[BaseModel], error: ValidationError) -> NoReturn:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        raise BODY_NOT_JSON(where="body", problem=first["msg"].removeprefix("Invalid JSON: ")) from None
    where = ".".join(str(place)[:_LONGEST_TEXT] for place in first["loc"]) or "body"
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        raise INVALID_BODY(where=where, problem=f"There is no member {where}", fix=f"Leave it out; there are {known}.")
    field = model.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    said = field.description if field is not None and field.description else "see /v1/openapi.json"
    fix = "Send it" if first["type"] == "missing" else "Send a value of this form"
    raise INVALID_BODY(where=where, problem=f"{where}: {_message(first)}", fix=f"{fix}: {said.rstrip('.')}.") from None


def _read_query(route: Route, query: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        fix = f"Send at most {_MOST_PARAMETERS} parameters, percent-encoded UTF-8."
        raise INVALID_PARAMETER(where="query", problem="The query cannot be read", fix=fix) from None
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in route.query_names:
            known = ", ".join(route.query_names) or "none"
            raise UNKNOWN_PARAMETER(where=name[:_LONGEST_TEXT], name=name[:_LONGEST_TEXT], known=known)
        sent.setdefault(name, []).append(value)
    return sent


def _values(
    parameter: Parameter, places: Mapping[str, str], sent: Mapping[str, Sequence[str]], headers: Mapping[str, str]
) -> list[str]:
    if parameter.kind == "path":
        return [places[parameter.name]]
    if parameter.kind == "query":
        values = list(sent.get(parameter.name, ()))
        if len(values) > 1 and not parameter.is_list:
            fix = "Send it once."
            raise INVALID_PARAMETER(where=parameter.name, problem=f"{parameter.name} is there more than once", fix=fix)
        return values
    value = headers.get(parameter.name.lower())
    return [] if value is None else [value]


def _read(parameter: Parameter, value: object) -> Any:  # noqa: ANN401 (the parameter's type)
    try:
        return parameter.adapter.validate_python(value)
    except ValidationError as error:
        said = _message(error.errors(include_url=False, include_input=False, include_context=False)[0])
    raise INVALID_PARAMETER(
        where=parameter.name, problem=f"{parameter.name}: {said}", fix=f"Send a value of this form: {_form(parameter)}."
    )


def _message(error: Mapping[str, Any]) -> str:
    # A pattern says nothing to most people; the fix says it in words.
    return "It has another form" if error["type"] == "string_pattern_mismatch" else str(error["msg"])


def _form(parameter: Parameter) -> str:
    """Say in a few words what a parameter takes."""
    schema = parameter.adapter.json_schema()
    defined: dict[str, Any] = next(iter(schema.get("$defs", {}).values()), {})
    said = [part for part in (schema, defined, *schema.get("anyOf", ())) if part.get("type") != "null"]
    words = [f"{name} {part[name]}" for part in said for name in ("enum", "minimum", "maximum") if name in part]
    kind = next((part["type"] for part in said if "type" in part), "value")
    about = [schema["description"].rstrip(".")] if "description" in schema else []
    return ", ".join([str(kind), *words, *about])
