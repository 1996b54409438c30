"""Every operation and every parameter: a call that would do, and what may be wrong with it.

New operations are taken from OPERATIONS. A new parameter needs a line in `GOOD`, and one in `BAD` if it is a text.
"""

from dataclasses import dataclass

from nameplate.gateway import operations
from nameplate.wire.operation import OPERATIONS, Operation, Parameter

assert operations  # importing it declares every operation

LONG = "a" * 100_000
FORMATTED = "iot.common.InvalidFormattedParameter"

BAD: dict[str, list[tuple[str, int, str]]] = {
    "ProductKey": [
        ("", 200, "iot.prod.NullProductKey"),
        *(
            (text, 200, "iot.prod.InvalidFormattedProductkey")
            for text in (
                "short",
                "a" * 12,
                LONG,
                "a1b2c3d4e-5",
                "а1b2c3d4e5f",
                "a1b2c\0d4e5f",
                "a1b2c3d4e5\n",
                "' OR 1=1 --",
            )
        ),
        ("a1b2c3d4e5f", 200, "iot.prod.NotExistedProduct"),
    ],
    "ProductName": [
        ("", 200, "iot.prod.NullProductName"),
        *(
            (text, 200, "iot.prod.InvalidFormattedProductName")
            for text in ("abc", "a" * 31, "水" * 16, LONG, "pump 1", "pump-1", "pump\0", "pump\n", "😀😀😀😀")
        ),
    ],
    "Description": [("a" * 101, 200, "iot.prod.LongProductDesc"), (LONG, 200, "iot.prod.LongProductDesc")],
    "AliyunCommodityCode": [
        (text, 200, "iot.prod.InvalidAliyunCommodityCode") for text in ("iothub_junior", "IOTHUB", LONG)
    ],
    "AuthType": [
        *((text, 200, FORMATTED) for text in ("", "Secret", "x509", LONG)),
        ("id2", 200, "iot.prod.NotOpenID2Service"),
    ],
    "NetType": [(text, 200, FORMATTED) for text in ("", "wifi", "3", LONG)],
    "ProtocolType": [(text, 200, FORMATTED) for text in ("", "Modbus", "mqtt", LONG)],
    "CategoryKey": [(text, 200, "iot.prod.InvalidFormattedCatId") for text in ("k" * 65, LONG)],
    "ClientToken": [(LONG, 400, "InvalidClientToken")],
    "DeviceName": [
        ("", 200, "iot.device.NullDeviceName"),
        *(
            (text, 200, "iot.device.InvalidFormattedDeviceName")
            for text in (
                "abc",
                "a" * 33,
                LONG,
                "pump 1",
                "pump/1",
                "水泵一号",
                "pump\0",
                "pump\n",
                "ｐｕｍｐ",
                "'; DROP TABLE device; --",
            )
        ),
    ],
    "Nickname": [
        (text, 200, FORMATTED)
        for text in ("", "abc", "a" * 65, "水" * 33, LONG, "pump-1", "pump\0", "pump\n", "😀😀😀😀")
    ],
    "IotId": [
        (text, 200, "iot.device.InvalidIoTId")
        for text in ("x", "0" * 26, "z" * 26, "0" * 20 + "000100", LONG, "水" * 26, "\0" * 26, "٠" * 26)
    ],
    "ApplyId": [
        ("", 200, "iot.device.NullApplyId"),
        ("0", 200, "iot.device.InvalidFormattedApplyId"),
        ("-1", 200, "iot.device.InvalidFormattedApplyId"),
        ("9" * 18, 200, "iot.device.DeviceApplyIsNotFound"),
    ],
    "Count": [(text, 200, "iot.device.DeviceCountExceeded") for text in ("0", "-1", "10001", "9" * 18)],
    "PageSize": [(text, 200, "iot.common.InvalidPageParams") for text in ("0", "-1", "201", "9" * 18)],
    "CurrentPage": [(text, 200, "iot.common.InvalidPageParams") for text in ("0", "-1", "1000000001", "9" * 18)],
    "NodeType": [(text, 200, "iot.prod.InvalidNodeType") for text in ("2", "-1", "9" * 18)],
    "DataFormat": [(text, 200, FORMATTED) for text in ("2", "-1", "9" * 18)],
    "ValidateType": [(text, 200, FORMATTED) for text in ("0", "3", "-1")],
    "Id2": [("true", 200, "iot.prod.NotOpenID2Service"), ("TRUE", 200, "iot.prod.NotOpenID2Service")],
}
"""What a parameter may not be, although it has the right type: the value, the HTTP status and the Code."""

NOT_INTEGERS = (
    "x",
    "1_000",
    " 1",
    "1 ",
    "+1",
    "1e3",
    "1.0",
    "0x1",
    "--1",
    "-",
    "٣",
    "１",
    "1\0",
    "1\n",
    "1,000",
    "9" * 19,
    "9" * 5000,
)
NOT_BOOLEANS = ("", "x", "1", "0", "yes", " true", "true\n", "tru", "ｔｒｕｅ")
NUMBERS = ("0", "01", "-1", "+1", "1_0", " 1", "1 ", "x", "", "１", "9" * 30)
"""What may not stand for N in a list that has one element."""


@dataclass(frozen=True)
class World:
    """What the root account has: a product with one batch of devices."""

    product: str
    batch: int
    name: str
    iot_id: str

    def good(self, action: str, **changes: str | None) -> dict[str, str]:
        """Return parameters with which a call would do what it is for."""
        names = {parameter.name: parameter for parameter in OPERATIONS[action].parameters}
        chosen = [name for name, parameter in names.items() if parameter.required]
        chosen += [name for name in ("ProductKey", "DeviceName") if "IotId" in names and name not in chosen]
        values: dict[str, str | None] = {name: self._value(name) for name in chosen}
        if action == "BatchCheckDeviceNames":
            values["DeviceName.1"] = "never-created"
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    def _value(self, name: str) -> str:
        values = {
            "ProductKey": self.product,
            "ApplyId": str(self.batch),
            "DeviceName": self.name,
            "ProductName": "never_created",
            "NodeType": "0",
            "Count": "1",
        }
        return values[name]


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
        *(Case(slot, *row) for slot in SCALARS for row in BAD.get(slot.name, [])),
        *(
            Case(slot, value, 400, f"Invalid{slot.name}")
            for slot in SCALARS
            for value in wrong_types.get(slot.parameter.kind, ())
        ),
    ]


def short(value: str) -> str:
    """Name a value in a test's name."""
    return ascii(value if len(value) < 32 else f"{value[:8]}_{len(value)}")
