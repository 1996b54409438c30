"""The broker amqtt in a process of its own, with Nameplate's plugin, on free ports."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

import yaml

from tests.support.disk import wait_until

_PROGRAM: Final = Path(sys.prefix) / "bin/amqtt"
_PATIENCE: Final = 30


class AmqttBroker:
    """A broker that asks a server's hooks; with TLS on a second port."""

    def __init__(self, directory: Path, url: str, secret: str, server_files: tuple[Path, Path], ca: Path) -> None:
        self._directory = directory
        self.port, self.tls_port = free_port(), free_port()
        certificate, key = (str(path) for path in server_files)
        (directory / "secret").write_text(f"{secret}\n")
        tls = {"ssl": True, "certfile": certificate, "keyfile": key, "cafile": str(ca)}
        listeners = {
            "default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"},
            "tls": {"type": "tcp", "bind": f"127.0.0.1:{self.tls_port}", **tls},
        }
        plugin = {"url": url, "secret_file": str(directory / "secret")}
        config = {"listeners": listeners, "plugins": {"nameplate.brokers.amqtt_plugin.NameplatePlugin": plugin}}
        (directory / "amqtt.yaml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        with (self._directory / "amqtt.log").open("a") as log:
            command = [str(_PROGRAM), "-c", str(self._directory / "amqtt.yaml")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self._process.poll() is not None or is_open(self.port))
        assert self._process.poll() is None, self.log
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)

    @property
    def log(self) -> str:
        return (self._directory / "amqtt.log").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
