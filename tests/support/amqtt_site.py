"""A server, the broker amqtt that asks it, and devices of several kinds that connect to it."""

import hmac
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.amqtt_broker import AmqttBroker
from tests.support.devices import FieldDevice
from tests.support.mqtt import MqttClient
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.tls import certify

_SECRET: Final = "what-amqtt-sends"
_RANDOM: Final = "7y4Jg5xdKCy9W2i"
_HOST: Final = "iot-auth.cn-shanghai.aliyuncs.com"


class Site(NamedTuple):
    """A server, a broker that asks it, and the certificate of both on the network."""

    server: Server
    broker: AmqttBroker
    certificate: Path
    key: Path

    @property
    def root(self) -> Client:
        return self.server.root


@contextmanager
def running(directory: Path) -> Iterator[Site]:
    """Run a server and a broker, and look at their logs in the end."""
    server = Server(directory / "data", broker_secret=_SECRET).start()
    certificate, key = certify(directory, _HOST)
    ca = directory / "devices-ca.pem"
    ca.write_text(server.command("ca", "show"))
    with AmqttBroker(directory, f"http://127.0.0.1:{server.port}", _SECRET, (certificate, key), ca) as broker:
        yield Site(server, broker, certificate, key)
    assert server.stop() == 0
    assert "Traceback" not in server.log
    # It has some of its own, for clients that go without a word.
    assert "nameplate/brokers" not in broker.log
    assert _SECRET not in server.log + broker.log


def registrable(site: Site) -> tuple[str, str]:
    """Create a product whose devices may fetch their secrets, and return its key and its own secret."""
    made = site.root.call("CreateProduct", ProductName="lights", NodeType="0")
    site.server.command("access", "dynamic-registration", made["ProductKey"], "--on")
    return made["ProductKey"], made["Data"]["ProductSecret"]


def registering(device: FieldDevice, product_secret: str, port: int, *, clean: bool = True) -> MqttClient:
    """A client that asks for the device's secret."""
    content = f"deviceName{device.name}productKey{device.product_key}random{_RANDOM}"
    password = hmac.new(product_secret.encode(), content.encode(), "sha256").hexdigest()
    client_id = f"x|random={_RANDOM},authType=register,securemode=2,signmethod=hmacsha256|"
    return MqttClient(port, client_id, device.username, password, clean=clean)


def secured(client: MqttClient, site: Site, device: tuple[Path, Path] | None = None) -> MqttClient:
    context = ssl.create_default_context(cafile=str(site.certificate))
    if device is not None:
        context.load_cert_chain(*device)
    client.client.tls_set_context(context)
    return client


def certified(site: Site, directory: Path, key: str, name: str) -> tuple[dict[str, Any], tuple[Path, Path]]:
    """Register a device with a certificate, and write that and its key to files."""
    made = site.root.call("RegisterDevice", ProductKey=key, DeviceName=name)["Data"]
    info = site.root.call("QueryDeviceCert", ProductKey=key, DeviceName=name)["DeviceCertInfo"]
    files = directory / f"{name}.pem", directory / f"{name}.key"
    for path, text in zip(files, (info["Certificate"], info["PrivateKey"]), strict=True):
        path.write_text(text)
    return made, files
