"""How `nameplate brokers rabbitmq` is called."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Cli

WITHOUT_PIKA = """
import sys
sys.modules["pika"] = None
sys.argv = ["nameplate", "brokers", "rabbitmq"]
from nameplate.cli import app
app()
"""
URL = "amqp://nameplate@127.0.0.1:1"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path, 1)


@pytest.mark.parametrize(
    "url", ["127.0.0.1", "http://nameplate@127.0.0.1", "amqp://127.0.0.1", "amqp://nameplate:open-sesame@127.0.0.1"]
)
def test_a_url_is_one_without_a_password(cli: Cli, url: str) -> None:
    ended = cli.run("brokers", "rabbitmq", NAMEPLATE_RABBITMQ_URL=url, NAMEPLATE_RABBITMQ_PASSWORD="x")
    assert ended.returncode == 2
    assert "NAMEPLATE_RABBITMQ_URL is not valid" in ended.stderr
    assert "open-sesame" not in ended.stderr


def test_a_password_is_needed(cli: Cli) -> None:
    ended = cli.run("brokers", "rabbitmq", "--rabbitmq-url", URL)
    assert ended.returncode == 2
    assert "NAMEPLATE_RABBITMQ_PASSWORD" in ended.stderr


def test_a_file_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    ended = cli.run("brokers", "rabbitmq", "--rabbitmq-url", URL, "--password-file", tmp_path / "none")
    assert ended.returncode == 2
    assert str(tmp_path / "none") in ended.stderr


def test_a_server_has_a_url(cli: Cli) -> None:
    ended = cli.run("brokers", "rabbitmq", "--server", "nameplate.example", NAMEPLATE_RABBITMQ_PASSWORD="x")
    assert ended.returncode == 2
    assert "nameplate.example is not a URL" in ended.stderr


def test_who_has_no_pika_is_told_how_to_get_it() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_PIKA], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "pip install 'nameplate[rabbitmq]'" in ended.stderr
