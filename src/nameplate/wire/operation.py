"""Operations: a function with its Action written on it, whose signature is the schema.

    @operation("BatchRegisterDevice", role=Role.REGISTRAR)
    def batch_register_device(call: Call, product_key: ProductKey, count: int) -> Answer: ...

`product_key` is ProductKey on the wire, `int` a Long, no default means required, `list[str]` is DeviceName.1…N, a list
of named tuples DeviceNameList.1.DeviceName…, and the docstring is the API reference. The wire checks shape (there, an
integer, numbered without gaps); what a value may mean is the domain's business.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from nameplate.domain.access import Role
from nameplate.errors import MISSING_PARAMETER
from nameplate.refusal import Refusal
from nameplate.wire.lists import read_rows, read_texts
from nameplate.wire.params import Parameters, refuse_parameter

_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
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

    def read(self, parameters: Parameters, texts: Sequence[bytes]) -> object:
        """Return the parameter's value, or None if it is not there.

        `texts` are what the parameters were decoded from. Raises the wire's refusals.
        """
        if self.kind is list:
            return self._read_list(parameters, texts)
        text = parameters.get(self.name)
        if text is None:
            self._check_presence(self.name, parameters)
            return None
        if not text and self.if_empty is not None:
            raise self.if_empty()
        return _READERS[self.kind](text, self.name)

    def _read_list(self, parameters: Parameters, texts: Sequence[bytes]) -> object:
        prefix = f"{self.name}."
        if prefix in parameters.lists:
            return parameters.lists[prefix]
        there = sum(_count(text, prefix.encode()) for text in texts)
        if not there:
            self._check_presence(f"{prefix}1", parameters)
            return None
        if self.item is str:
            return read_texts(parameters, prefix, there)
        fields = {wire_name(field): field not in self.item._field_defaults for field in self.item._fields}
        return [self.item(*row) for row in read_rows(parameters, prefix, there, fields)]

    def _check_presence(self, where: str, parameters: Mapping[str, str]) -> None:
        if self.required:
            raise MISSING_PARAMETER(name=self.name, where=where, hint=_case_hint(where, parameters))


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

    def bind(self, parameters: Parameters, texts: Sequence[bytes]) -> dict[str, object]:
        """Return the function's arguments, read from the call's parameters and the canonical texts that have them.

        Parameters it does not know are ignored.
        """
        values = {parameter.argument: parameter.read(parameters, texts) for parameter in self.parameters}
        return {argument: value for argument, value in values.items() if value is not None}


def operation(action: str, *, role: Role, inline: bool = False) -> Callable[[_Function], _Function]:
    """Declare a function to be what `action` does, for callers of at least this role."""

    def declare(function: _Function) -> _Function:
        OPERATIONS[action] = Operation(action, function, role, inline, _parameters(function))
        return function

    return declare


def text_lists() -> frozenset[str]:
    """Return what names of the operations' lists of texts begin with, such as `DeviceName.`."""
    every = (parameter for operation in OPERATIONS.values() for parameter in operation.parameters)
    return frozenset(f"{parameter.name}." for parameter in every if parameter.item is str)


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


def _count(text: bytes, prefix: bytes) -> int:
    """Return how many names in a canonical text have a prefix."""
    return text.startswith(prefix) + text.count(b"&" + prefix)


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


def _case_hint(name: str, parameters: Mapping[str, str]) -> str:
    other = next((sent for sent in parameters if sent.lower() == name.lower()), None)
    return f" {other} was sent; names of parameters are case-sensitive." if other else ""
