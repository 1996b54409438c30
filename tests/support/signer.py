"""Signs calls the straightforward way, from the documentation and not from our code: the tests' own client."""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4


def encode(text: str) -> str:
    return quote(text, safe="-_.~")


def sign_v1(method: str, parameters: Mapping[str, str], secret: str) -> str:
    pairs = sorted((encode(name), encode(value)) for name, value in parameters.items())
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    text = f"{method}&%2F&{encode(joined)}"
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def sign_acs3(method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, secret: str) -> str:
    ordered = "&".join(f"{name}={encode(value)}" for name, value in sorted(query.items()))
    names = sorted(headers)
    block = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = "\n".join([method, "/", ordered, block, ";".join(names), hashlib.sha256(body).hexdigest()])
    text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 (a client has its own clock)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def code(self) -> str:
        return str(self.json.get("Code", ""))


@dataclass
class Client:
    """One access key's calls to one server, over a socket."""

    port: int
    key_id: str
    secret: str
    host: str = "127.0.0.1"
    timeout: float = 30
    common: dict[str, str] = field(default_factory=dict)

    def parameters(self, action: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """A v1 call's parameters, common ones included; a change to None leaves a parameter out."""
        common = {
            "Action": action,
            "Version": "2018-01-20",
            "Format": "JSON",
            "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid4().hex,
            "Timestamp": now(),
        }
        merged: dict[str, str | None] = {**common, **self.common, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def v1(self, action: str, *, method: str = "POST", in_body: bool = True, **changes: str | None) -> Answer:
        """Send a v1 call, everything in the form body or everything in the query."""
        parameters = self.parameters(action, changes)
        parameters["Signature"] = sign_v1(method, parameters, self.secret)
        return self.send(method, parameters, in_body=in_body)

    def call(self, action: str, **changes: str | None) -> dict[str, Any]:
        """Send a v1 call that has to succeed, and return its answer."""
        parameters = self.parameters(action, changes)
        parameters["Signature"] = sign_v1("POST", parameters, self.secret)
        answer = self.send("POST", parameters)
        assert answer.status == 200, answer.text
        assert answer.json["Success"], answer.text
        return answer.json

    def send(self, method: str, parameters: Mapping[str, str], *, in_body: bool = True) -> Answer:
        """Send signed parameters."""
        encoded = urlencode(parameters)
        if not in_body:
            return self.raw(method, f"/?{encoded}")
        return self.raw(method, "/", encoded.encode(), {"content-type": "application/x-www-form-urlencoded"})

    def acs3(
        self,
        action: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        method: str = "POST",
        **changes: str | None,
    ) -> Answer:
        """Send an ACS3 call; `changes` are to its headers, with `_` for `-`."""
        query, body = query or {}, urlencode(form or {}).encode()
        headers: dict[str, str | None] = {
            "host": f"{self.host}:{self.port}",
            "x-acs-action": action,
            "x-acs-version": "2018-01-20",
            "x-acs-date": now(),
            "x-acs-signature-nonce": uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        signed = {name: value for name, value in headers.items() if value is not None}
        signature = sign_acs3(method, query, signed, body, self.secret)
        names = ";".join(sorted(signed))
        signed["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.key_id},SignedHeaders={names},Signature={signature}"
        )
        if body:
            signed["content-type"] = "application/x-www-form-urlencoded"
        encoded = "&".join(f"{encode(name)}={encode(value)}" for name, value in query.items())
        return self.raw(method, f"/?{encoded}", body, signed)

    def raw(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send anything at all."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
        finally:
            connection.close()


def numbered(name: str, values: list[str]) -> dict[str, str]:
    """A RepeatList: DeviceName.1, DeviceName.2, …"""
    return {f"{name}.{number}": value for number, value in zip(itertools.count(1), values, strict=False)}
