"""A real server in a process of its own, on a free port."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from tests.support import forked
from tests.support.forked import Forked
from tests.support.signer import Client

ROOT_ID = "root-key-id"
ROOT_SECRET = "root-key-secret"

PROGRAM: Final = [sys.executable, "-m", "nameplate"]
"""What a user starts."""


class Server:
    """`nameplate serve` on a data directory. May be killed and started again.

    It runs `module` in a process that is forked, or is started as `program`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        program: list[str] | None = None,
        module: str = forked.MODULE,
        own_root_key: bool = True,
        **settings: str,
    ) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.own_root_key = own_root_key
        self.process: subprocess.Popen[str] | Forked | None = None
        self.port = 0
        self.said: list[str] = []
        self._program = program
        self._module = module

    def start(self, **more: str) -> Self:
        """Start it on a free port, and return when it accepts calls."""
        return self._start(0, self.environment | more)

    def start_again(self) -> Self:
        """Start it on the port that it had."""
        return self._start(self.port, self.environment)

    def _start(self, port: int, environment: dict[str, str]) -> Self:
        self.process = self._begin(["serve", "--port", str(port)], environment)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())
            if " is ready on http://" in line:
                self.port = int(line.rsplit(":", 1)[1])
                return self
        self.process.wait()
        message = f"the server ended with {self.process.returncode}: {self.log}"
        raise RuntimeError(message)

    @property
    def environment(self) -> dict[str, str]:
        """What it runs in, and what a command on the same installation has to run in."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("NAMEPLATE_")}
        if self.own_root_key:
            plain |= {"NAMEPLATE_ROOT_ACCESS_KEY_ID": ROOT_ID, "NAMEPLATE_ROOT_ACCESS_KEY_SECRET": ROOT_SECRET}
        return plain | {f"NAMEPLATE_{name.upper()}": value for name, value in self.settings.items()}

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text()

    @property
    def root(self) -> Client:
        """The root account's client."""
        return Client(self.port, ROOT_ID, ROOT_SECRET)

    @property
    def _log(self) -> Path:
        return self.data_dir.parent / "server.log"

    def _begin(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str] | Forked:
        if self._program is None:
            return Forked(self._on(arguments), environment, module=self._module, stderr=self._log)
        command, pipe = [*self._program, *self._on(arguments)], subprocess.PIPE
        with self._log.open("a") as log:
            return subprocess.Popen(command, stdout=pipe, stderr=log, text=True, env=environment)

    def _on(self, arguments: Iterable[str]) -> list[str]:
        return [*arguments, "--data-dir", str(self.data_dir)]

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def key(self, role: str, account: str = "root", *more: str) -> Client:
        """Create an access key with the command line and return its client."""
        made = self.keys("create", "--role", role, "--account", account, *more)
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)
        common = {"SecurityToken": key["SecurityToken"]} if "SecurityToken" in key else {}
        return Client(self.port, key["AccessKeyId"], key["AccessKeySecret"], common=common)

    def keys(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `nameplate keys …` on its data directory."""
        return self.run("keys", *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on its data directory."""
        return forked.run(self._on(arguments), self.environment)

    def beside(self, *arguments: str) -> Forked:
        """Start a command on its data directory, such as a worker."""
        return Forked(self._on(arguments), self.environment, stderr=self._log)

    def command(self, *arguments: str) -> str:
        """Run a command that has to succeed, and return what it has written."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout
