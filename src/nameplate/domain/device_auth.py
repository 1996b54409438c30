"""How devices prove who they are: the vendor's scheme (its pages 73742 for MQTT, 58034 for HTTP, 74006 for products).

A secret is a key as the text that it is; it is never decoded first.
"""

import hmac
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from nameplate.domain.names import DEVICE_NAME, PRODUCT_KEY

DEFAULT_METHOD: Final = "hmacmd5"
CLIENT_ID_LENGTH: Final = 64
"""The most characters of the part of a client id that the device chooses."""

_DIGESTS: Final = {"hmacmd5": "md5", "hmacsha1": "sha1", "hmacsha256": "sha256"}
_PARAMETERS: Final = re.compile(r"(?:[A-Za-z0-9_]{1,32}=[^,]*(?:,|$))*")
_USERNAME: Final = re.compile(rf"({DEVICE_NAME.pattern})&({PRODUCT_KEY.pattern})")


class Identity(NamedTuple):
    """The two names that say which device it is."""

    product_key: str
    device_name: str


class ClientId(NamedTuple):
    """A client id: what the device chose, and the parameters between the bars."""

    text: str
    parameters: Mapping[str, str]


def read_username(text: str) -> Identity | None:
    """Read `{deviceName}&{productKey}`; None if it is no such text."""
    found = _USERNAME.fullmatch(text)
    return None if found is None else Identity(found[2], found[1])


def read_client_id(text: str) -> ClientId | None:
    """Read `{clientId}|{name}={value},…|`; None if it is no such text, or a parameter is there twice."""
    chosen, bar, rest = text.partition("|")
    if not bar or not rest.endswith("|") or len(chosen) > CLIENT_ID_LENGTH:
        return None
    between = rest[:-1]
    if _PARAMETERS.fullmatch(between) is None:
        return None
    pairs = [pair.split("=", 1) for pair in between.split(",") if pair]
    parameters = dict(pairs)
    return ClientId(chosen, parameters) if len(parameters) == len(pairs) else None


def connect_content(identity: Identity, client_id: ClientId) -> str:
    """Return what the password of a CONNECT signs: the timestamp only if the client id has one, and as it has it."""
    fields = {"clientId": client_id.text, "deviceName": identity.device_name, "productKey": identity.product_key}
    if "timestamp" in client_id.parameters:
        fields["timestamp"] = client_id.parameters["timestamp"]
    return content(fields)


def content(fields: Mapping[str, str]) -> str:
    """Return what is signed of some fields: name and value of each, in the order of the names, nothing in between."""
    return "".join([name + fields[name] for name in sorted(fields)])


def is_method(method: str) -> bool:
    """Whether there is a signature method of this name."""
    return method in _DIGESTS


def sign(method: str, secret: str, text: str) -> str:
    """Return the signature of a text, in lower-case hexadecimal digits.

    Raises KeyError for a method that there is not.
    """
    return hmac.digest(secret.encode(), text.encode(), _DIGESTS[method]).hex()


def is_signed(method: str, secret: str, text: str, signature: str) -> bool:
    """Whether this is the signature of a text, in upper or lower case, in a time that tells nothing of it."""
    return method in _DIGESTS and hmac.compare_digest(sign(method, secret, text).encode(), signature.lower().encode())
