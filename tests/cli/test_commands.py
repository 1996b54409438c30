"""What there is on the command line, whatever server there may be."""

import subprocess
import sys

import pytest

from nameplate.cli.commands import COMMANDS
from tests.support.cli import Cli

SERVER_SIDE = (
    "nameplate.server",
    "nameplate.store",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "alembic",
    "duckdb",
    "pyarrow",
)


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command line, and no server."""
    return Cli(tmp_path_factory.mktemp("home"), 1)


def test_every_command_is_in_the_help(alone: Cli) -> None:
    shown = alone.run("--help").stdout
    for name in COMMANDS:
        assert f"│ {name} " in shown, shown


@pytest.mark.parametrize("module", ["batches", "imports", "exports", "products"])
def test_a_command_that_calls_a_server_does_not_load_one(module: str) -> None:
    program = f"import sys, nameplate.cli.{module}; print('\\n'.join(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(SERVER_SIDE) & set(ended.stdout.split()) == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("nameplate im", "import"),
        ("nameplate products cr", "create"),
        ("nameplate import --pol", "--policy"),
        ("nameplate import f.csv --policy skip-", "skip-invalid"),
    ],
)
def test_a_shell_completes_commands_options_and_values(words: str, expected: str, alone: Cli) -> None:
    more = {
        "_NAMEPLATE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    program = "import sys; sys.argv[0] = 'nameplate'; from nameplate.cli import app; app(prog_name='nameplate')"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=alone.environment | more
    )
    assert expected in ended.stdout.split(), ended.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_shells(alone: Cli, shell: str) -> None:
    asked = alone.environment | {"_NAMEPLATE_COMPLETE": f"source_{shell}"}
    program = "from nameplate.cli import app; app(prog_name='nameplate')"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=asked)
    assert f"complete_{shell}" in ended.stdout, ended.stderr
