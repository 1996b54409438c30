"""Operations: a function with its Action written on it, whose signature is the schema.

    @operation("BatchRegisterDevice", role=Role.REGISTRAR)
    def batch_register_device(call: Call, product_key: ProductKey, count: int) -> Answer: ...

`product_key` is ProductKey on the wire, `int` a Long, no default means required, `list[str]` is DeviceName.1…N, a list
of named tuples DeviceNameList.1.DeviceName…, and the docstring is the API reference. The wire checks shape (there, an
integer, numbered without gaps); what a value may mean is the domain's business.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, repeat
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from nameplate.domain.access import Role
from nameplate.errors import MISSING_PARAMETER, Refusal
from nameplate.wire.params import refuse_parameter

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_PREPARED: Final = 10_000
_BOOLEANS: Final = {"true": True, "false": False}

_Function = TypeVar("_Function", bound=Callable[..., Mapping[str, Any] | Callable[[], Mapping[str, Any]]])

OPERATIONS: dict[str, "Operation"] = {}
"""Every operation, by its Action."""


@dataclass(frozen=True, slots=True)
class IfEmpty:
    """What a parameter that is there but empty is refused with."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation: its name on the wire and how it is read.

    `kind` is str, int, bool or list; `item` is what a list is of: str, or a named tuple.
    """

    name: str
    argument: str
    kind: type
    item: Any
    required: bool
    if_empty: Refusal | None

    def read(self, parameters: Mapping[str, str]) -> object:
        """Return the parameter's value, or None if it is not there.

        Raises the wire's refusals.
        """
        if self.kind is list:
            return self._read_list(parameters)
        text = parameters.get(self.name)
        if text is None:
            if self.required:
                raise MISSING_PARAMETER(name=self.name, where=self.name, hint=_case_hint(self.name, parameters))
            return None
        if not text and self.if_empty is not None:
            raise self.if_empty()
        return _READERS[self.kind](text, self.name)

    def _read_list(self, parameters: Mapping[str, str]) -> list[Any] | None:
        prefix = f"{self.name}."
        there = sum(map(str.startswith, parameters, repeat(prefix)))
        if not there:
            if self.required:
                raise MISSING_PARAMETER(name=self.name, where=f"{prefix}1", hint=_case_hint(f"{prefix}1", parameters))
            return None
        if self.item is str:
            return _read_texts(parameters, prefix, there)
        return _read_rows(parameters, prefix, self.item)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the API can do, under its Action.

    `inline` says that it is a cheap keyed read, which the event loop may do itself. If it turns out to be long, the
    function returns another that makes the answer.
    """

    action: str
    function: Callable[..., Mapping[str, Any] | Callable[[], Mapping[str, Any]]]
    role: Role
    inline: bool
    parameters: tuple[Parameter, ...]

    @property
    def documentation(self) -> str:
        """What the operation is for: its function's docstring."""
        return inspect.getdoc(self.function) or ""

    def bind(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """Return the function's arguments, read from the call's parameters.

        Parameters it does not know are ignored.
        """
        values = {parameter.argument: parameter.read(parameters) for parameter in self.parameters}
        return {argument: value for argument, value in values.items() if value is not None}


def operation(action: str, *, role: Role, inline: bool = False) -> Callable[[_Function], _Function]:
    """Declare a function to be what `action` does, for callers of at least this role."""

    def declare(function: _Function) -> _Function:
        OPERATIONS[action] = Operation(action, function, role, inline, _parameters(function))
        return function

    return declare


def _parameters(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """Read a function's parameters off its signature; the first is the call and not the wire's."""
    hints = get_type_hints(function, include_extras=True)
    arguments = list(inspect.signature(function).parameters.values())[1:]
    return tuple(_parameter(argument, hints[argument.name]) for argument in arguments)


def _parameter(argument: inspect.Parameter, hint: object) -> Parameter:
    if_empty = None
    hint = _without_none(hint)
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        if_empty = next((mark.refusal for mark in marks if isinstance(mark, IfEmpty)), None)
    kind: Any = get_origin(hint) or hint
    item = get_args(hint)[0] if kind is list else None
    required = argument.default is inspect.Parameter.empty
    return Parameter(wire_name(argument.name), argument.name, kind, item, required, if_empty)


def _without_none(hint: object) -> object:
    if get_origin(hint) in (Union, UnionType):
        return next(choice for choice in get_args(hint) if choice is not NoneType)
    return hint


def wire_name(argument: str) -> str:
    """Return an argument's name on the wire: `product_key` is `ProductKey`."""
    return "".join(word.capitalize() for word in argument.split("_"))


def _read_integer(text: str, where: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise refuse_parameter(where, "Send an integer.")
    return int(text)


def _read_boolean(text: str, where: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise refuse_parameter(where, "Send true or false.")
    return value


_READERS: Final[dict[type, Callable[[str, str], object]]] = {
    str: lambda text, _: text,
    int: _read_integer,
    bool: _read_boolean,
}


@lru_cache(maxsize=16)
def _numbered(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(1, _PREPARED + 1))


def _read_texts(parameters: Mapping[str, str], prefix: str, there: int) -> list[str]:
    """Return the `there` values under `prefix`.

    That many keys, all of 1…N among them, leave room for no other.
    """
    keys: Iterable[str] = _numbered(prefix)[:there]
    if there > _PREPARED:
        keys = (f"{prefix}{number}" for number in range(1, there + 1))
    try:
        return [parameters[key] for key in keys]
    except KeyError as missing:
        raise refuse_parameter(missing.args[0], f"{prefix}N is numbered from 1 without gaps.") from None


def _read_rows(parameters: Mapping[str, str], prefix: str, row_type: Any) -> list[Any]:  # noqa: ANN401 (a class of named tuples)
    fields = [(wire_name(field), field in row_type._field_defaults) for field in row_type._fields]
    rows: list[Any] = []
    for number in count(1):
        values = [parameters.get(f"{prefix}{number}.{name}") for name, _ in fields]
        if not any(value is not None for value in values):
            break
        for value, (name, optional) in zip(values, fields, strict=True):
            if value is None and not optional:
                raise MISSING_PARAMETER(name=name, where=f"{prefix}{number}.{name}", hint="")
        rows.append(row_type(*values))
    _refuse_strays(parameters, prefix, len(rows), [name for name, _ in fields])
    return rows


def _refuse_strays(parameters: Mapping[str, str], prefix: str, rows: int, fields: list[str]) -> None:
    names = [name for name in parameters if name.startswith(prefix)]
    for name in names:
        number, _, field = name.removeprefix(prefix).partition(".")
        if not field or _NUMBER.fullmatch(number) is None or int(number) > rows:
            listed = " or ".join(f"{prefix}N.{known}" for known in fields)
            raise refuse_parameter(name, f"Send {listed}, with N numbered from 1 without gaps.")


def _case_hint(name: str, parameters: Mapping[str, str]) -> str:
    other = next((sent for sent in parameters if sent.lower() == name.lower()), None)
    return f" {other} was sent; names of parameters are case-sensitive." if other else ""
