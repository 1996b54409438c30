"""The services of the compose file as processes of this machine."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url

from tests.deploy import files
from tests.support.disk import wait_until

_PATIENCE: Final = 60
_PORT: Final = re.compile(r"http://[\w.]+:(\d+)")


class Program:
    """A service's program."""

    def __init__(self, directory: Path, words: list[str], environment: Mapping[str, str]) -> None:
        self._said, self._logged = directory / "stdout", directory / "stderr"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(parents=True)
        command = [sys.executable, "-m", "nameplate", *words]
        with self._said.open("w") as said, self._logged.open("w") as logged:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=logged, env={**environment, "TMPDIR": str(self.temporary)}
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def logged(self) -> str:
        return self._logged.read_text()

    def port(self) -> int:
        """Wait until it says where it listens."""
        wait_until(lambda: _PORT.search(self.said) or self.process.poll() is not None)
        found = _PORT.search(self.said)
        assert found is not None, self.logged
        return int(found[1])

    def wait(self) -> int:
        return self.process.wait(_PATIENCE)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()


class Site:
    """What the compose file says, on a database of the tests' and with free ports."""

    def __init__(self, directory: Path, database_url: str, values: Mapping[str, str]) -> None:
        self.services = files.compose(values)["services"]
        self._directory = directory
        self._database = make_url(database_url)
        self._programs: list[Program] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._programs:
            one.stop()

    def start(self, service: str, number: int = 1) -> Program:
        """Start a service's program, one of as many as there may be."""
        directory = self._directory / f"{service}-{number}"
        ports = {word for word in self.services[service]["command"] if word.isdecimal() and len(word) == 4}
        words = ["0" if word in ports else word for word in self.services[service]["command"]]
        self._programs.append(Program(directory, words, self._environment(service, directory)))
        return self._programs[-1]

    def replicas(self, service: str) -> int:
        return int(self.services[service].get("deploy", {}).get("replicas", 1))

    def _environment(self, service: str, directory: Path) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("NAMEPLATE_", "PG"))}
        image = {name: value for name, value in files.image_environment().items() if name.startswith("NAMEPLATE_")}
        given: dict[str, str] = self.services[service]["environment"]
        url = make_url(given["NAMEPLATE_DATABASE_URL"])
        assert url.host in self.services
        there = url.set(
            username=self._database.username,
            host=self._database.host,
            port=self._database.port,
            database=self._database.database,
        )
        here = {
            "NAMEPLATE_DATABASE_URL": there.render_as_string(hide_password=False),
            "NAMEPLATE_DATA_DIR": str(directory / "data"),
            "NAMEPLATE_HOST": "127.0.0.1",
        }
        return ours | image | given | here


def get(port: int, path: str) -> str:
    """Return what is answered; urllib raises on anything but success."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return str(answer.read().decode())


def total(text: str, name: str, **labels: str) -> float:
    """Add up the samples of a metrics page that have these labels."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())
