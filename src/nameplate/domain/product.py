"""What a product may be: the values that CreateProduct takes and QueryProduct gives."""

from enum import IntEnum, StrEnum
from typing import Final

PRODUCT_KEY_LENGTH: Final = 11
PRODUCT_SECRET_LENGTH: Final = 16


class NodeType(IntEnum):
    """Whether devices of a product connect others."""

    DEVICE = 0
    GATEWAY = 1


class Commodity(StrEnum):
    """With a thing model (`iothub_senior`) or without."""

    BASIC = "iothub"
    SENIOR = "iothub_senior"


class DataFormat(IntEnum):
    """How a product's devices write their messages."""

    CUSTOM = 0
    ALINK_JSON = 1


class AuthType(StrEnum):
    """How a product's devices prove who they are."""

    SECRET = "secret"  # noqa: S105 (the wire's word, not a password)
    X509 = "x509"


class NetType(StrEnum):
    """How a product's devices connect.

    A word on the way in, a number on the way out.
    """

    WIFI = "WIFI"
    CELLULAR = "CELLULAR"
    ETHERNET = "ETHERNET"
    OTHER = "OTHER"


NET_TYPE_NUMBERS: Final = {
    NetType.WIFI: 3,
    NetType.CELLULAR: 6,
    NetType.ETHERNET: 7,
    NetType.OTHER: 8,
}


class Protocol(StrEnum):
    """How sub-devices speak to their gateway."""

    MODBUS = "modbus"
    OPC_UA = "opc-ua"
    CUSTOM = "customize"
    BLE = "ble"
    ZIGBEE = "zigbee"


class Validation(IntEnum):
    """How strictly messages are checked against the thing model; kept and returned, not acted on."""

    WEAK = 1
    NONE = 2
