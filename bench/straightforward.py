"""The way to verify and read a call that comes to mind first: the baseline of `wire`."""

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, quote

from nameplate.wire.request import Request


def names_of_v1(request: Request, secret: str) -> list[str]:
    """Verify a v1 call and return its names."""
    parameters = _parameters(request.query) | _parameters(request.body)
    signature = parameters.pop("Signature")
    pairs = sorted((_quote(name), _quote(value)) for name, value in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    signed = f"{request.method}&%2F&{_quote(joined)}"
    digest = hmac.new(f"{secret}&".encode(), signed.encode(), hashlib.sha1).digest()
    _compare(base64.b64encode(digest).decode(), signature)
    return _names(parameters)


def names_of_acs3(request: Request, secret: str) -> list[str]:
    """Verify an ACS3 call and return its names."""
    query, form = _parameters(request.query), _parameters(request.body)
    pairs = sorted((_quote(name), _quote(value)) for name, value in query.items())
    ordered = "&".join(f"{name}={value}" for name, value in pairs)
    credential, signed_headers, signature = (
        part.split("=", 1)[1] for part in request.headers["authorization"].split(" ", 1)[1].split(",")
    )
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed_headers.split(";"))
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n/\n{ordered}\n{headers}\n{signed_headers}\n{digest}"
    signed = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    assert credential
    _compare(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest(), signature)
    return _names(query | form)


def _parameters(text: bytes) -> dict[str, str]:
    return dict(parse_qsl(text.decode(), keep_blank_values=True))


def _names(parameters: dict[str, str]) -> list[str]:
    names: list[str] = []
    while (name := parameters.get(f"DeviceName.{len(names) + 1}")) is not None:
        names.append(name)
    row = 1
    while (name := parameters.get(f"DeviceNameList.{row}.DeviceName")) is not None:
        names += [name, parameters[f"DeviceNameList.{row}.DeviceNickname"]]
        row += 1
    return names


def _quote(text: str) -> str:
    return quote(text, safe="-_.~")


def _compare(computed: str, signature: str) -> None:
    if not hmac.compare_digest(computed, signature):
        message = "The signature does not match."
        raise ValueError(message)
