"""nginx before a server, with the settings of deploy/."""

import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy import files
from tests.support.disk import wait_until

UNPACKED: Final = Path(sys.prefix) / "debian"
_PATIENCE: Final = 30


def find(program: str) -> str | None:
    """Return where a program is: unpacked by `make test`, or installed."""
    places = [str(UNPACKED / "usr/sbin"), str(UNPACKED / "usr/bin"), os.environ.get("PATH", os.defpath), "/usr/sbin"]
    return shutil.which(program, path=os.pathsep.join(places))


class Proxy:
    """nginx on a free port."""

    def __init__(self, directory: Path, server_port: int) -> None:
        self._directory = directory
        self.certificate = directory / "registry.pem"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        site = (files.DEPLOY / "nginx.conf").read_text()
        site = site.replace("127.0.0.1:8420", f"127.0.0.1:{server_port}").replace("/etc/nginx/tls", str(directory))
        (directory / "site.conf").write_text(site.replace("listen 443", f"listen 127.0.0.1:{self.port}"))
        (directory / "main.conf").write_text(self._main())
        _certify(self.certificate, directory / "registry.key")

    def __enter__(self) -> Self:
        program = find("nginx")
        assert program is not None
        command = [program, "-p", str(self._directory), "-c", "main.conf", "-e", "error.log", "-g", "daemon off;"]
        self._process = subprocess.Popen(command)
        wait_until(self._listens)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._directory / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _main(self) -> str:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {kind};\n" for kind in kinds)
        # Workers that are another user's could not enter the tests' directory.
        user = "user root;\n" if os.geteuid() == 0 else ""
        return f"{user}pid nginx.pid;\nworker_processes 1;\nevents {{}}\nhttp {{\n{temporary}include site.conf;\n}}\n"


def _certify(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)  # noqa: TID251 (nginx has its own clock)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
