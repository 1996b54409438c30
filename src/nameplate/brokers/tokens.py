"""`/auth`: a token for seven days to a device that speaks HTTP (the vendor's page 58034), and whose a token is."""

import re
from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final

from nameplate.brokers.answers import Answer
from nameplate.brokers.bodies import optional, read_object, text
from nameplate.brokers.check import Reason
from nameplate.brokers.device_side import Code, is_identity, write_code
from nameplate.brokers.gate import Gate
from nameplate.call import Registry
from nameplate.domain.device import Status
from nameplate.domain.device_auth import CLIENT_ID_LENGTH, DEFAULT_METHOD, Identity, content, is_signed
from nameplate.domain.topics import Action
from nameplate.refusal import RefusedError
from nameplate.store.applicants import Applicant
from nameplate.wire.request import Request

TOKEN_SECONDS: Final = 7 * 24 * 3600
"""For how long a token is good."""

_TOKEN_BYTES: Final = 16
_TOLERANCE_MS: Final = 15 * 60 * 1000
_NEEDED: Final = ("productKey", "deviceName", "clientId")
_NOT_SIGNED: Final = ("sign", "signmethod", "version")
_METHODS: Final = ("hmacmd5", "hmacsha1")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,15}")

_OK: Final = Code(0, "success")
_PARAMETER: Final = Code(10001, "parameter error")
_REFUSED: Final = Code(20000, "auth check error")
_EXPIRED: Final = Code(20001, "token is expired")
_NO_TOKEN: Final = Code(20002, "token is null")
_WRONG_TOKEN: Final = Code(20003, "check token error")


class Tokens:
    """Gives out tokens, and knows whose they are."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def give(self, _: Gate, request: Request) -> Answer:
        """Give a device a token for seven days, beside those that it has."""
        try:
            fields = read_object(request)
            signed = _signed(fields)
            signature, method = text(fields, "sign"), optional(fields, "signmethod") or DEFAULT_METHOD
        except RefusedError:
            return write_code(_PARAMETER, Reason.MALFORMED)
        identity = Identity(signed["productKey"], signed["deviceName"])
        if not is_identity(identity) or len(signed["clientId"]) > CLIENT_ID_LENGTH or method not in _METHODS:
            return write_code(_PARAMETER, Reason.MALFORMED)
        device = self._registry.store.applicants.find(identity)
        reason = self._check(device, method, signed, signature)
        if device is None or reason is not Reason.ALLOWED:
            return write_code(_REFUSED, reason, identity)
        token, now = token_hex(_TOKEN_BYTES), self._registry.clock()
        self._registry.store.device_tokens.add(token, device, now, now + TOKEN_SECONDS * 1000)
        return write_code(_OK, reason, identity, info={"token": token})

    def look_up(self, gate: Gate, request: Request) -> Answer:
        """Say to a bridge from HTTP whose a token is, if that device may publish to the topic."""
        fields = read_object(request)
        token, topic = text(fields, "token"), text(fields, "topic")
        if not token:
            return write_code(_NO_TOKEN, Reason.MALFORMED)
        found, now = self._registry.store.device_tokens.find(token), self._registry.clock()
        if found is None:
            return write_code(_WRONG_TOKEN, Reason.WRONG_SECRET)
        number, generation, expires_at = found
        device = self._registry.store.applicants.get(number)
        if device is None or device.generation != generation:
            return write_code(_WRONG_TOKEN, Reason.UNKNOWN)
        if expires_at <= now:
            return write_code(_EXPIRED, Reason.WRONG_SECRET, device.identity)
        key, name = device.identity
        verdict = gate.topic(f"{name}&{key}", Action.PUBLISH, topic)
        if not verdict.is_allowed:
            return write_code(_REFUSED, verdict.reason, device.identity)
        return write_code(_OK, verdict.reason, device.identity, info={"productKey": key, "deviceName": name})

    def _check(self, device: Applicant | None, method: str, signed: Mapping[str, str], signature: str) -> Reason:
        if device is None:
            return Reason.UNKNOWN
        if device.has_certificate:
            return Reason.CERTIFICATE_NEEDED
        if not is_signed(method, device.open_secret(self._registry.master), content(signed), signature):
            return Reason.WRONG_SECRET
        if not self._is_fresh(signed.get("timestamp")):
            return Reason.MALFORMED
        return Reason.DISABLED if device.status == Status.DISABLE else Reason.ALLOWED

    def _is_fresh(self, timestamp: str | None) -> bool:
        if timestamp is None:
            return True
        return _TIMESTAMP.fullmatch(timestamp) is not None and (
            abs(int(timestamp) - self._registry.clock()) <= _TOLERANCE_MS
        )


def _signed(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields that are signed: all that are sent but three. Raises HOOK_BODY_NOT_VALID."""
    for name in _NEEDED:
        text(fields, name)
    texts = {name: str(value) if isinstance(value, int) else value for name, value in fields.items()}
    return {name: optional(texts, name) for name in texts if name not in _NOT_SIGNED}
