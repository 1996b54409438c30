import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(cli: Cli, product_key: str, tmp_path: Path) -> Iterator[Terminal]:
    """A terminal on which somebody imports a file."""
    file = tmp_path / "pumps.csv"
    file.write_text("\n".join(["DeviceName", *(f"pump-{number:05}" for number in range(2_000)), ""]))
    command = cli.command("import", file, "--product", product_key)
    with Terminal.running(command, cli.environment | {"TERM": "xterm", "COLUMNS": "120"}, tmp_path) as running:
        yield running


def test_a_terminal_shows_bars_and_is_asked(terminal: Terminal) -> None:
    terminal.wait_for("2,000 to create")
    terminal.wait_for("Create the devices, all-or-nothing? [y/N]: ")
    terminal.type("y\n")
    assert terminal.end() == 0
    screen = terminal.screen
    assert "━━━━" in screen
    assert "uploading" in screen
    assert "22.0 KiB" not in screen.split("Create the devices")[1]
    assert "2,000 created" in screen


def test_whoever_says_no_creates_nothing_and_is_told_how_to_go_on(
    terminal: Terminal, cli: Cli, product_key: str
) -> None:
    terminal.wait_for("[y/N]: ")
    terminal.type("n\n")
    assert terminal.end() == 0
    (batch,) = cli.json("status", "--product", product_key)
    assert (batch["stage"], batch["created"]) == ("planned", 0)
    assert f"Apply the plan with: nameplate apply {batch['batch_id']}" in terminal.screen


def test_ctrl_c_at_the_question_creates_nothing(terminal: Terminal, cli: Cli, product_key: str) -> None:
    terminal.wait_for("[y/N]: ")
    # Nobody is as quick as this: between the question and the wait for its answer Python would not hear it.
    time.sleep(0.5)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 1
    (batch,) = cli.json("status", "--product", product_key)
    assert (batch["stage"], batch["created"]) == ("planned", 0)
    assert "Traceback" not in terminal.screen
