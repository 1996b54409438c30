"""A route is a function with its method and path written on it; its signature is the schema.

`batch_id` in the path is its argument of that name; an argument that is `Annotated` with a `Header` is a header, one
that is a pydantic model is the JSON body, `Chunks` is any other body as it arrives, and the rest are the query's. What
does not fit is refused with its place before the function is called.
"""

import inspect
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nameplate.domain.access import Role

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Any]
_Function = TypeVar("_Function", bound=Handler)
Chunks = AsyncIterator[bytes]
"""A body as it arrives, in pieces of some hundred KiB at most."""

_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


class Header(NamedTuple):
    """Marks an argument that is a header."""

    name: str


class Body(BaseModel):
    """A JSON body: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A JSON answer."""

    model_config = ConfigDict(frozen=True)


IdempotencyKey = Annotated[
    str | None,
    Header("Idempotency-Key"),
    Field(
        pattern=r"^[!-~]{1,64}$",
        description="1 to 64 visible ASCII characters: the same request with the same key is done once.",
    ),
]
Limit = Annotated[int, Field(ge=1, le=1000, description="The most items of a page.")]
ProductKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{11}$", description="A product's key: 11 letters and digits.")]
BatchId = Annotated[int, Field(ge=1, lt=10**15, description="A batch's id: the ApplyId of the signed API.")]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that is in the path, the query or a header."""

    name: str
    """As it is sent."""

    argument: str
    kind: Literal["path", "query", "header"]
    adapter: TypeAdapter[Any]
    is_list: bool
    default: Any
    """`inspect.Parameter.empty` if it must be sent."""

    @property
    def is_required(self) -> bool:
        """Whether it must be sent."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Route:
    """One route: where it is, who may call it, and what it takes and gives."""

    method: Method
    path: str
    role: Role | None
    """The role that is needed; None needs no access key."""

    status: int
    function: Handler
    parameters: tuple[Parameter, ...]
    body: type[BaseModel] | None
    needs_body: bool
    takes_chunks: bool
    answer: Any
    media_type: str | None
    """Of an answer that is not JSON."""

    body_type: str
    """Of a body that is not JSON."""

    @property
    def name(self) -> str:
        """What the log and the metrics call it."""
        return f"{self.method} {self.path}"

    @property
    def documentation(self) -> str:
        """Its docstring."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Match the paths that are its."""
        return re.compile(_PLACE.sub(r"(?P<\1>[^/]+)", self.path))

    @cached_property
    def query_names(self) -> list[str]:
        """What its query may hold."""
        return [parameter.name for parameter in self.parameters if parameter.kind == "query"]


ROUTES: Final[list[Route]] = []
"""Every route, in the order in which the modules define them."""


def route(
    method: Method,
    path: str,
    *,
    role: Role | None,
    status: int = 200,
    media_type: str | None = None,
    body_type: str = "application/octet-stream",
) -> Callable[[_Function], _Function]:
    """Make a function the answer to a method and path."""

    def add(function: _Function) -> _Function:
        hints = get_type_hints(function, include_extras=True)
        answer = hints.pop("return", None)
        signature = inspect.signature(function).parameters
        taken = {name: hints[name] for name in list(signature)[role is not None :]}
        bodies = {name: model for name, hint in taken.items() if (model := _body(hint)) is not None}
        chunks = [name for name, hint in taken.items() if hint == Chunks]
        plain = {name: hint for name, hint in taken.items() if name not in bodies and name not in chunks}
        parameters = tuple(_parameter(name, hint, signature[name].default, path) for name, hint in plain.items())
        body = next(iter(bodies.values()), None)
        needs_body = any(signature[name].default is inspect.Parameter.empty for name in bodies)
        ROUTES.append(
            Route(
                method,
                path,
                role,
                status,
                function,
                parameters,
                body,
                needs_body,
                bool(chunks),
                answer,
                media_type,
                body_type,
            )
        )
        return function

    return add


def find(path: str) -> tuple[dict[str, Route], Mapping[str, str]]:
    """Return the routes of a path, by method, and what stands in the path's places."""
    found: dict[str, Route] = {}
    places: Mapping[str, str] = {}
    for candidate in ROUTES:
        match = candidate.pattern.fullmatch(path)
        if match is not None:
            found[candidate.method] = candidate
            places = match.groupdict()
    return found, places


def _body(hint: Any) -> type[BaseModel] | None:  # noqa: ANN401 (a type)
    """Return the model that a body has to fit, or None if this is no body."""
    models = [
        choice for choice in (hint, *get_args(hint)) if isinstance(choice, type) and issubclass(choice, BaseModel)
    ]
    return models[0] if models else None


def _parameter(argument: str, hint: Any, default: Any, path: str) -> Parameter:  # noqa: ANN401 (a type and any value)
    headers = [mark.name for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Header)]
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    is_list = get_origin(inner) is list
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    if headers:
        return Parameter(headers[0], argument, "header", adapter, is_list, default)
    kind: Literal["path", "query"] = "path" if f"{{{argument}}}" in path else "query"
    # `from` and `format` are words of Python's own.
    return Parameter(argument.rstrip("_"), argument, kind, adapter, is_list, default)
