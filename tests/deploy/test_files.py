"""deploy/ without an engine: it is well formed, and speaks of settings and options that there are."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compose_spec import PyCompose
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from nameplate import processes
from nameplate.cli import app
from nameplate.settings import PREFIX, Settings
from tests.deploy import files

OF_COMPOSE_ONLY = {"NAMEPLATE_DB_PASSWORD", "NAMEPLATE_GRAFANA_PASSWORD"}
SECRETS = {"NAMEPLATE_DB_PASSWORD": "db", "NAMEPLATE_MASTER_KEY": "00" * 32}
VALUES = SECRETS | {"NAMEPLATE_ROOT_ACCESS_KEY_ID": "id", "NAMEPLATE_ROOT_ACCESS_KEY_SECRET": "secret"}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"), reason="systemd-analyze is not here"
)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_every_variable_is_a_setting() -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    texts = [path.read_text() for path in files.DEPLOY.rglob("*") if path.is_file()]
    named = {name for text in texts for name in re.findall(rf"{PREFIX}[A-Z_]+", text)}
    assert named - OF_COMPOSE_ONLY <= settings
    assert named >= OF_COMPOSE_ONLY


@pytest.mark.parametrize("words", files.commands(), ids=" ".join)
def test_every_command_and_option_is_there(words: list[str]) -> None:
    command = get_command(app)
    while isinstance(command, TyperGroup):
        name, *words = words
        found = command.get_command(Context(command), name)
        assert found is not None, name
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_compose_file_is_valid() -> None:
    assert set(PyCompose.from_json(json.dumps(files.compose(VALUES))).to_dict()["services"]) >= {"db", "server"}


def test_the_compose_file_has_no_secret_of_its_own() -> None:
    assert files.required_variables() == set(VALUES)
    text = (files.DEPLOY / "compose.yaml").read_text()
    assert not re.findall(r"(?i)(?:password|secret|master_key): (?!\$\{\w+:\?).*\S", text)


def test_only_loopback_ports_are_published() -> None:
    services = files.compose(VALUES)["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"server": ["127.0.0.1:8420:8420"], "grafana": ["127.0.0.1:3000:3000"]}
    assert services["grafana"]["profiles"] == ["monitoring"]


def test_services_wait_for_the_schema_and_may_finish_what_they_do() -> None:
    services = files.compose(VALUES)["services"]
    assert services["upgrade"]["depends_on"]["db"]["condition"] == "service_healthy"
    for name in ("server", "worker"):
        assert services[name]["depends_on"]["upgrade"]["condition"] == "service_completed_successfully"
        assert seconds(services[name]["stop_grace_period"]) > processes._STOP_SECONDS  # noqa: SLF001 (what it must exceed)
        assert services[name]["environment"].keys() >= {"NAMEPLATE_DATABASE_URL", "NAMEPLATE_MASTER_KEY"}


def test_the_image_runs_the_program_itself_and_not_as_root() -> None:
    stage = dict(files.last_stage())
    assert stage["ENTRYPOINT"] == ("nameplate",)
    assert stage["CMD"] == ("serve",)
    assert stage["STOPSIGNAL"] == ("SIGTERM",)
    assert stage["VOLUME"] == (files.image_environment()["NAMEPLATE_DATA_DIR"],)
    assert stage["USER"][0].split(":")[0] not in {"root", "0"}
    assert [name for name, _ in files.instructions() if name == "FROM"] == ["FROM"] * 2


def test_the_image_is_made_of_hashed_packages_and_of_what_is_here() -> None:
    kept = (files.DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for name, words in files.instructions():
        if name == "RUN" and "pip install" in words[0]:
            assert "--no-deps" in words[0]
            assert "--require-hashes" in words[0] or "-r " not in words[0]
        if name == "COPY" and not words[-1].startswith("/"):
            assert all((files.ROOT / word).exists() for word in words[:-1])
            assert all(f"!{word}" in kept for word in words[:-1])


@needs_systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name in files.units():
        text = (files.DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace(files.PROGRAM, sys.executable))
    paths = [str(tmp_path / name) for name in files.units()]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths],  # noqa: S607 (wherever it is)
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", files.units())
def test_the_units_are_shut_in(name: str) -> None:
    path = files.DEPLOY / "systemd" / name
    checked = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(path)],  # noqa: S607 (wherever it is)
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_units_share_a_user_a_directory_and_the_settings() -> None:
    for name in files.units():
        unit = files.unit(name)
        assert unit["User"] == unit["StateDirectory"] == ["nameplate"]
        assert unit["Environment"] == [f"NAMEPLATE_DATA_DIR=/var/lib/{unit['StateDirectory'][0]}"]
        assert unit["EnvironmentFile"] == ["/etc/nameplate/nameplate.env"]
        if unit.get("Type") != ["oneshot"]:
            assert int(unit["TimeoutStopSec"][0]) > processes._STOP_SECONDS  # noqa: SLF001 (what it must exceed)


def test_the_example_of_an_environment_is_one() -> None:
    lines = (files.DEPLOY / "nameplate.env.example").read_text().splitlines()
    given = [line for line in lines if line and not line.startswith("#")]
    assert all(len(shlex.split(line)) == 1 for line in given)
    values = dict(line.split("=", 1) for line in given)
    made = Settings.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in values.items()})
    assert made.as_environment() == values
