"""Mosquitto from Debian's package, unpacked and not installed, with files for passwords and topics."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from tests.deploy.proxy import find
from tests.support.amqtt_broker import free_port, is_open
from tests.support.disk import wait_until

_UNPACKED: Final = Path(sys.prefix) / "debian"
_PATIENCE: Final = 30


def find_mosquitto() -> str | None:
    """Return where Mosquitto is, or None."""
    return find("mosquitto")


class Mosquitto:
    """A broker on a free port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.passwords, self.access, self.pid_file = (directory / name for name in ("passwords", "access", "pid"))
        # As root it would become another user, who could not read the files.
        user = "user root\n" if os.geteuid() == 0 else ""
        (directory / "mosquitto.conf").write_text(
            f"{user}listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {self.passwords}\n"
            f"acl_file {self.access}\npid_file {self.pid_file}\n"
        )

    def __enter__(self) -> Self:
        program = find_mosquitto()
        assert program is not None
        libraries = sorted({str(path.parent) for path in _UNPACKED.glob("usr/lib/*/*.so*")})
        environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
        with (self._directory / "mosquitto.log").open("a") as log:
            command = [program, "-c", str(self._directory / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_until(lambda: self._process.poll() is not None or is_open(self.port))
        assert self._process.poll() is None, (self._directory / "mosquitto.log").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)
