"""`/auth/register/device`: a device fetches its secret over HTTPS (the vendor's page 74006)."""

from typing import Any, Final, NamedTuple

import orjson

from nameplate.brokers.answers import Answer
from nameplate.brokers.bodies import read_form, text
from nameplate.brokers.check import Reason
from nameplate.brokers.gate import Gate
from nameplate.brokers.registration import Claim
from nameplate.domain.device_auth import Identity
from nameplate.domain.names import is_device_name, is_product_key
from nameplate.refusal import RefusedError
from nameplate.wire.request import Request


class Code(NamedTuple):
    """A number on the wire, and what it says."""

    number: int
    message: str


# The vendor's pages have no numbers for this endpoint; these are the neighbouring features', whose meaning is the same.
_REGISTER: Final = {
    Reason.ALLOWED: Code(200, "success"),
    Reason.MALFORMED: Code(460, "request parameter error"),
    Reason.METHOD: Code(460, "request parameter error: signMethod is hmacmd5, hmacsha1 or hmacsha256"),
    Reason.WRONG_SECRET: Code(401, "request auth error"),
    Reason.UNKNOWN: Code(6250, "the product or the device does not exist"),
    Reason.DISABLED: Code(401, "request auth error: the device is disabled"),
    Reason.NOT_REGISTRABLE: Code(
        401, "request auth error: the product does not allow it, or the device has connected before; reset it"
    ),
    Reason.EXHAUSTED: Code(
        401, "request auth error: the device has had all its secrets; delete it and register it anew"
    ),
}


def register(gate: Gate, request: Request) -> Answer:
    """Give a device its secret."""
    try:
        fields = read_form(request)
        names = ("productKey", "deviceName", "random", "sign", "signMethod")
        key, name, random, signature, method = (text(fields, field) for field in names)
    except RefusedError:
        return write_code(_REGISTER[Reason.MALFORMED], Reason.MALFORMED)
    identity = Identity(key, name)
    if not is_identity(identity):
        return write_code(_REGISTER[Reason.MALFORMED], Reason.MALFORMED)
    issued = gate.registration.issue(Claim(identity, random, method, signature))
    if issued.reason is not Reason.ALLOWED:
        return write_code(_REGISTER[issued.reason], issued.reason, identity)
    data = {"productKey": key, "deviceName": name, "deviceSecret": issued.secret}
    return write_code(_REGISTER[Reason.ALLOWED], Reason.ALLOWED, identity, data=data)


def is_identity(identity: Identity) -> bool:
    """Whether these may be a product's key and a device's name."""
    return is_product_key(identity.product_key) and is_device_name(identity.device_name)


def write_code(code: Code, reason: Reason, identity: Identity | None = None, **more: Any) -> Answer:  # noqa: ANN401 (JSON)
    """Write an answer as the vendor does: always HTTP 200, with a code and a message."""
    body = orjson.dumps({"code": code.number, "message": code.message, **more})
    return Answer(body, "application/json", reason.value, identity)
