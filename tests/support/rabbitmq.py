"""RabbitMQ from Debian's packages, unpacked and not installed, with its MQTT plugin, on free ports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from tests.support.amqtt_broker import free_port, is_open
from tests.support.disk import wait_until

_UNPACKED: Final = Path(sys.prefix) / "debian"
_PATIENCE: Final = 60
_SILENT: Final = "listeners.tcp = none\n"
_START_SECONDS: Final = 180

LISTENER: Final = "nameplate"
LISTENER_PASSWORD: Final = "what-the-listener-says"
NOBODY: Final = "nobody"
ELSEWHERE: Final = "elsewhere"
"""A virtual host without events."""


def find_rabbitmq() -> Path | None:
    """Return where RabbitMQ is, or None."""
    return next(iter(_UNPACKED.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*")), None)


def _definitions() -> dict[str, object]:
    """Return RabbitMQ's own users: one with what a listener needs, and one with nothing."""
    queue, both = "^nameplate-presence$", r"^(nameplate-presence|amq\.rabbitmq\.event)$"
    rights = {"configure": queue, "write": queue, "read": both}
    return {
        "vhosts": [{"name": "/"}, {"name": ELSEWHERE}],
        "users": [{"name": name, "password": LISTENER_PASSWORD, "tags": ""} for name in (LISTENER, NOBODY)],
        "permissions": [
            *({"user": LISTENER, "vhost": vhost, **rights} for vhost in ("/", ELSEWHERE)),
            {"user": NOBODY, "vhost": "/", "configure": "", "write": "", "read": ""},
        ],
    }


class RabbitMq:
    """A broker that asks a server's hooks, and `tells` of connections. Erlang's port mapper is its own, too.

    With `tls`, its certificate and key and the CA of devices' certificates, it listens on another port, too.
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        secret: str,
        *,
        tls: tuple[Path, Path, Path] | None = None,
        tells: bool = False,
    ) -> None:
        self._directory = directory
        self.port, self.tls_port, self.amqp_port = free_port(), free_port(), free_port()
        self._ports = [self.port, *([self.tls_port] if tls else []), *([self.amqp_port] if tells else [])]
        hooks = f"http://nameplate:{secret}@127.0.0.1:{port}/brokers/rabbitmq"
        paths = "".join(f"auth_http.{path}_path = {hooks}/{path}\n" for path in ("user", "vhost", "resource", "topic"))
        (directory / "rabbitmq.conf").write_text(
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\nmqtt.allow_anonymous = false\n"
            f"auth_backends.1 = http\nauth_http.http_method = post\n{paths}{self._tell() if tells else _SILENT}"
            f"{self._secure(*tls) if tls else ''}"
            "log.console = true\nlog.console.level = info\n"
        )
        # A device's name may hold a colon; it is no virtual host before it.
        (directory / "advanced.config").write_text("[{rabbitmq_mqtt, [{ignore_colons_in_username, true}]}].\n")
        plugins = "rabbitmq_mqtt,rabbitmq_auth_backend_http" + (",rabbitmq_event_exchange" if tells else "")
        (directory / "enabled_plugins").write_text(f"[{plugins}].\n")

    def __enter__(self) -> Self:
        self._variables = self._environment()
        with (self._directory / "rabbitmq.log").open("a") as log:
            port = self._variables["ERL_EPMD_PORT"]
            mapper = [str(_UNPACKED / "usr/bin/epmd"), "-port", port, "-address", "127.0.0.1"]
            self._mapper = subprocess.Popen(mapper, stdout=log, stderr=log)
        self._start()
        return self

    def crash(self) -> None:
        """Kill it, and start it again."""
        self._process.kill()
        self._process.wait(_PATIENCE)
        self._start()

    def _start(self) -> None:
        with (self._directory / "rabbitmq.log").open("a") as log:
            program = find_rabbitmq()
            assert program is not None
            command = ["/bin/sh", str(program / "sbin/rabbitmq-server"), "-noinput"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._variables)
        wait_until(lambda: self._process.poll() is not None or all(map(is_open, self._ports)), _START_SECONDS)
        assert self._process.poll() is None, self.log

    def _tell(self) -> str:
        path = self._directory / "definitions.json"
        path.write_text(json.dumps(_definitions()))
        listener = f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}\n"
        return f"{listener}auth_backends.2 = internal\nload_definitions = {path}\n"

    def _secure(self, certificate: Path, key: Path, ca: Path) -> str:
        return (
            f"mqtt.listeners.ssl.1 = 127.0.0.1:{self.tls_port}\n"
            "mqtt.ssl_cert_login = true\nssl_cert_login_from = distinguished_name\n"
            f"ssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\nssl_options.cacertfile = {ca}\n"
            "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = false\n"
        )

    def __exit__(self, *_: object) -> None:
        for process in (self._process, self._mapper):
            process.terminate()
            process.wait(_PATIENCE)

    @property
    def log(self) -> str:
        return (self._directory / "rabbitmq.log").read_text()

    def _environment(self) -> dict[str, str]:
        program = find_rabbitmq()
        home, mapper = str(self._directory), free_port()
        settings = {
            "NODENAME": f"nameplate{self.port}@localhost",
            "MNESIA_BASE": f"{home}/mnesia",
            "LOG_BASE": f"{home}/log",
            "CONFIG_FILE": f"{home}/rabbitmq.conf",
            "ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "PLUGINS_DIR": f"{program}/plugins",
            "CONF_ENV_FILE": f"{home}/none",
            "DIST_PORT": str(free_port()),
            # Without it the shell in between would have to be asked to stop the broker, by another program.
            "ALLOW_INPUT": "1",
        }
        path = f"{self._make_erl()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        own = {f"RABBITMQ_{name}": value for name, value in settings.items()}
        return {**os.environ, **own, "PATH": path, "HOME": home, "ERL_EPMD_PORT": str(mapper)}

    def _make_erl(self) -> Path:
        """Write a program that starts Erlang where it is; Debian's own looks where it would have been installed."""
        root = _UNPACKED / "usr/lib/erlang"
        (binaries,) = root.glob("erts-*/bin")
        directory = self._directory / "bin"
        directory.mkdir()
        erl = directory / "erl"
        erl.write_text(
            f'#!/bin/sh\nexport ROOTDIR={root} BINDIR={binaries} EMU=beam PROGNAME=erl\nexec {binaries}/erlexec "$@"\n'
        )
        erl.chmod(0o755)
        return directory
