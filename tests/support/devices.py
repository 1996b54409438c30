"""A device as it is in the field: its names and secrets, and what it sends with them."""

import hmac
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlencode

from tests.support.signer import Client

_IDLE_SECONDS: Final = 2


class Reply(NamedTuple):
    """What a hook has answered."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class FieldDevice:
    """A device with its certificate of three: product key, name and secret."""

    product_key: str
    name: str
    secret: str

    @property
    def username(self) -> str:
        return f"{self.name}&{self.product_key}"

    def client_id(self, chosen: str = "any", method: str = "hmacsha256", **more: object) -> str:
        parameters = {"securemode": 3, "signmethod": method, **more}
        return f"{chosen}|{','.join(f'{name}={value}' for name, value in parameters.items())}|"

    def password(self, chosen: str = "any", method: str = "hmacsha256", timestamp: object = "") -> str:
        stamp = f"timestamp{timestamp}" if timestamp else ""
        content = f"clientId{chosen}deviceName{self.name}productKey{self.product_key}{stamp}"
        return hmac.new(self.secret.encode(), content.encode(), method.removeprefix("hmac")).hexdigest()


class Hooks:
    """Asks a server's hooks on one connection."""

    def __init__(self, port: int, secret: str | None = None, host: str = "127.0.0.1") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=30)
        self._used = 0.0
        self._headers = {} if secret is None else {"authorization": f"Bearer {secret}"}

    def post(self, path: str, fields: Mapping[str, Any], **headers: str) -> Reply:
        """Send JSON."""
        return self.send(path, json.dumps(fields).encode(), "application/json", **headers)

    def form(self, path: str, fields: Mapping[str, str], **headers: str) -> Reply:
        """Send a form."""
        return self.send(path, urlencode(fields).encode(), "application/x-www-form-urlencoded", **headers)

    def send(self, path: str, body: bytes, content_type: str, method: str = "POST", **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # A server closes a connection that idles.
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(method, path, body, {"content-type": content_type, **self._headers, **named})
        answer = self._connection.getresponse()
        return Reply(answer.status, answer.read().decode())

    def admits(self, device: FieldDevice, method: str = "hmacsha256") -> bool:
        """Whether a device is let in, as EMQX asks."""
        body = {"clientid": device.client_id(method=method), "username": device.username}
        answer = self.post("/brokers/emqx/authenticate", {**body, "password": device.password(method=method)})
        assert answer.status == 200, answer
        return bool(answer.json["result"] == "allow")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def register(root: Client, product_key: str, name: str) -> FieldDevice:
    """Register one device."""
    made = root.call("RegisterDevice", ProductKey=product_key, DeviceName=name)["Data"]
    return FieldDevice(product_key, name, made["DeviceSecret"])


def status(root: Client, device: FieldDevice) -> str:
    """Return a device's status."""
    found = root.call("GetDeviceStatus", ProductKey=device.product_key, DeviceName=device.name)
    return str(found["Data"]["Status"])


def becomes(root: Client, device: FieldDevice, expected: str, seconds: float = 20) -> bool:
    """Whether a device gets a status: what brokers tell is written a moment later."""
    end = time.monotonic() + seconds
    while status(root, device) != expected:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
