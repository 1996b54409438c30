"""Every operation and every parameter: a call that would do, and what may be wrong with it.

New operations and parameters are taken from OPERATIONS.
"""

from dataclasses import dataclass

from nameplate.gateway import operations
from nameplate.wire.operation import OPERATIONS, Operation, Parameter, wire_name
from tests.support.values import BAD, GOOD, MORE, NOT_BOOLEANS, NOT_INTEGERS, SELECTOR

assert operations  # importing it declares every operation


@dataclass(frozen=True)
class World:
    """What an account has: a product with one batch of devices, an import, and a group."""

    product: str
    batch: int
    name: str
    iot_id: str
    imported: int
    group: str

    def good(self, action: str, **changes: str | None) -> dict[str, str]:
        """Return parameters with which a call would do what it is for."""
        scalars = [slot for slot in SCALARS if slot.action == action]
        is_selected = {"IotId", "ProductKey"} <= {slot.name for slot in scalars}
        chosen = [slot.name for slot in scalars if slot.parameter.required or (is_selected and slot.name in SELECTOR)]
        values: dict[str, str | None] = {name: self._value(action, name) for name in chosen}
        for name, value in MORE.get(action, {}).items():
            values[name] = value.format(**vars(self))
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    def _value(self, action: str, name: str) -> str:
        value = GOOD.get(f"{action}.{name}", GOOD[name])
        return value.format(**vars(self))


@dataclass(frozen=True)
class Slot:
    """One parameter of one operation."""

    operation: Operation
    parameter: Parameter

    @property
    def action(self) -> str:
        return self.operation.action

    @property
    def name(self) -> str:
        return self.parameter.name

    @property
    def fields(self) -> dict[str, bool]:
        """The fields of a row, and whether each has to be there."""
        item = self.parameter.item
        return {wire_name(field): field not in item._field_defaults for field in item._fields}

    def item(self, number: object, **changes: str | None) -> dict[str, str | None]:
        """Return the parameters of one item of a list of texts or rows."""
        if self.parameter.item is str:
            return {f"{self.name}.{number}": f"never-created-{number}"}
        values = {**dict.fromkeys(self.fields, f"never-created-{number}"), **changes}
        return {f"{self.name}.{number}.{field}": value for field, value in values.items()}

    def __str__(self) -> str:
        return f"{self.action}-{self.name}"


@dataclass(frozen=True)
class Case:
    """A value that a slot refuses, and how."""

    slot: Slot
    value: str
    status: int
    code: str

    def __str__(self) -> str:
        return f"{self.slot}-{short(self.value)}"


SLOTS = [Slot(operation, parameter) for operation in OPERATIONS.values() for parameter in operation.parameters]
SCALARS = [slot for slot in SLOTS if slot.parameter.kind is not list]
REQUIRED = [slot for slot in SLOTS if slot.parameter.required]
TEXTS = [slot for slot in SLOTS if slot.parameter.item is str]
ROWS = [slot for slot in SLOTS if slot.parameter.kind is list and slot.parameter.item is not str]


def cases() -> list[Case]:
    """Return every wrong value of every parameter that is not a list."""
    wrong_types: dict[type, tuple[str, ...]] = {int: NOT_INTEGERS, bool: NOT_BOOLEANS}
    return [
        *(Case(slot, *row) for slot in SCALARS for row in BAD.get(f"{slot.action}.{slot.name}", BAD[slot.name])),
        *(
            Case(slot, value, 400, f"Invalid{slot.name}")
            for slot in SCALARS
            for value in wrong_types.get(slot.parameter.kind, ())
        ),
    ]


def short(value: str) -> str:
    """Name a value in a test's name."""
    return ascii(value if len(value) < 32 else f"{value[:8]}_{len(value)}")
