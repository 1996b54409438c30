"""Signatures: v1 (HMAC-SHA1 over the parameters) and ACS3-HMAC-SHA256 (in headers).

Both are computed from canonical parameters (see `params`). Sorting raw `name=value` pairs would put `DeviceName.1=`
after `DeviceName.10=`; with the `=` swapped for a byte below every other it sorts by name, in C.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from nameplate.errors import INVALID_SIGNATURE_METHOD, MISSING_PARAMETER, SIGNATURE_DOES_NOT_MATCH, SIGNATURE_INCOMPLETE
from nameplate.wire.params import refuse_parameter
from nameplate.wire.request import Request

_MARK: Final = b"\x01"
_AUTHORIZATION: Final = re.compile(
    r"ACS3-HMAC-SHA256 +Credential=(?P<key>[^,\s]+), *SignedHeaders=(?P<signed>[^,\s]+), *Signature=(?P<signature>\S+)"
)
_MUST_BE_SIGNED: Final = frozenset(
    (
        "host",
        "x-acs-action",
        "x-acs-content-sha256",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-version",
    )
)
_NONCE_LENGTH: Final = 256


class Scheme(Enum):
    """How a signature is made from what is signed."""

    V1 = "HMAC-SHA1"
    ACS3 = "ACS3-HMAC-SHA256"

    def sign(self, secret: bytes, signed: bytes) -> bytes:
        """Return the signature, as it stands in a request."""
        state = _state(self, secret).copy()
        state.update(signed)
        return b64encode(state.digest()) if self is Scheme.V1 else state.hexdigest().encode()


@lru_cache(maxsize=1_024)
def _state(scheme: Scheme, secret: bytes) -> hmac.HMAC:
    """Return the HMAC with its key taken in, which costs more than the signature of a short call."""
    if scheme is Scheme.V1:
        return hmac.new(secret + b"&", None, "sha1")
    return hmac.new(secret, None, "sha256")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request claims about itself, and how to check it: who signed, when, and over what.

    `signed` is what the signature is over; `string_to_sign` is what a refusal shows, so that clients can compare.
    """

    scheme: Scheme
    access_key_id: str
    timestamp: str
    nonce: str
    security_token: str
    signature: str
    signed: bytes
    string_to_sign: bytes

    def verify(self, secret: bytes) -> None:
        """Raise SignatureDoesNotMatch if this secret did not sign the request.

        Compares in constant time.
        """
        if not hmac.compare_digest(self.scheme.sign(secret, self.signed), self.signature.encode()):
            raise SIGNATURE_DOES_NOT_MATCH(string_to_sign=self.string_to_sign.decode("utf-8", "replace"))


def read_v1(method: str, texts: tuple[bytes, bytes], parameters: dict[str, str]) -> Claim:
    """Read a v1 claim from canonical texts and their decoded parameters.

    Raises Missing… and method refusals.
    """
    for name in (
        "AccessKeyId",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "SignatureNonce",
        "Timestamp",
    ):
        if not parameters.get(name):
            raise MISSING_PARAMETER(name=name, where=name, hint="")
    if parameters["SignatureMethod"].upper() != "HMAC-SHA1":
        raise INVALID_SIGNATURE_METHOD()
    if parameters["SignatureVersion"] != "1.0":
        raise refuse_parameter(where="SignatureVersion", fix="Send 1.0.")
    signed = string_to_sign(method, *texts)
    return Claim(
        scheme=Scheme.V1,
        access_key_id=parameters["AccessKeyId"],
        timestamp=parameters["Timestamp"],
        nonce=_nonce(parameters["SignatureNonce"]),
        security_token=parameters.get("SecurityToken", ""),
        signature=parameters["Signature"],
        signed=signed,
        string_to_sign=signed,
    )


def string_to_sign(method: str, *texts: bytes) -> bytes:
    """Return what v1 signs: the method, the path and the sorted parameters, encoded once more."""
    pairs = _sorted_pairs(b"&".join(filter(None, texts)).replace(b"%", b"%25"))
    at = bisect_left(pairs, b"Signature" + _MARK)
    if at < len(pairs) and pairs[at].startswith(b"Signature" + _MARK):
        del pairs[at]
    return method.encode() + b"&%2F&" + b"%26".join(pairs).replace(_MARK, b"%3D")


def read_acs3(request: Request, query: bytes) -> Claim:
    """Read an ACS3 claim from the request's headers; `query` is its canonical query string."""
    for header, name in (("x-acs-date", "Timestamp"), ("x-acs-signature-nonce", "SignatureNonce")):
        if not request.headers.get(header):
            raise MISSING_PARAMETER(name=name, where=header, hint="")
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise SIGNATURE_INCOMPLETE(
            problem="The Authorization header is not 'ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…'.",
            string_to_sign="",
        )
    names = match["signed"].lower().split(";")
    if len(set(names)) != len(names):
        raise SIGNATURE_INCOMPLETE(problem="SignedHeaders has a header more than once.", string_to_sign="")
    canonical = _canonical_request(request, query, names)
    if not _MUST_BE_SIGNED.issubset(names):
        unsigned = ", ".join(sorted(_MUST_BE_SIGNED.difference(names)))
        raise SIGNATURE_INCOMPLETE(
            problem=f"Sign these headers too ({unsigned}).",
            string_to_sign=canonical.decode("utf-8", "replace"),
        )
    return Claim(
        scheme=Scheme.ACS3,
        access_key_id=match["key"],
        timestamp=request.headers["x-acs-date"],
        nonce=_nonce(request.headers["x-acs-signature-nonce"]),
        security_token=request.headers.get("x-acs-security-token", ""),
        signature=match["signature"],
        signed=f"{Scheme.ACS3.value}\n{hashlib.sha256(canonical).hexdigest()}".encode(),
        string_to_sign=canonical,
    )


def _canonical_request(request: Request, query: bytes, names: list[str]) -> bytes:
    headers = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in sorted(names))
    ordered = b"&".join(_sorted_pairs(query)).replace(_MARK, b"=")
    # The body is hashed here whatever the header says: a tampered body is a signature that does not match.
    digest = hashlib.sha256(request.body).hexdigest().encode()
    parts = (
        request.method.encode(),
        b"/",
        ordered,
        headers.encode(),
        ";".join(names).encode(),
        digest,
    )
    return b"\n".join(parts)


def _sorted_pairs(text: bytes) -> list[bytes]:
    if not text:
        return []
    pairs = text.replace(b"=", _MARK).split(b"&")
    pairs.sort()
    return pairs


def _nonce(text: str) -> str:
    if len(text) > _NONCE_LENGTH:
        raise refuse_parameter(where="SignatureNonce", fix=f"Send at most {_NONCE_LENGTH} characters.")
    return text
