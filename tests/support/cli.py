"""The command line in a process of its own, as somebody with a home directory of their own runs it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support import forked
from tests.support.forked import Forked
from tests.support.server import PROGRAM, ROOT_ID, ROOT_SECRET

Ended = subprocess.CompletedProcess[str]


class Cli:
    """Runs `nameplate …` against a server."""

    def __init__(self, home: Path, port: int, key_id: str = ROOT_ID, secret: str = ROOT_SECRET) -> None:
        self.home = home
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("NAMEPLATE_", "XDG_"))}
        self.environment = plain | {
            "HOME": str(home),
            "COLUMNS": "200",
            "NAMEPLATE_SERVER": f"http://127.0.0.1:{port}",
            "NAMEPLATE_ACCESS_KEY_ID": key_id,
            "NAMEPLATE_ACCESS_KEY_SECRET": secret,
        }

    def command(self, *arguments: str | Path) -> list[str]:
        """Return what somebody would run."""
        return [*PROGRAM, *map(str, arguments)]

    def run(self, *arguments: str | Path, **more: str) -> Ended:
        """Run a command to its end, with more in its environment."""
        return forked.run([*map(str, arguments)], self.environment | more, cwd=self.home)

    def start(self, *arguments: str | Path) -> Forked:
        """Start a command."""
        return Forked([*map(str, arguments)], self.environment, cwd=self.home)

    def json(self, *arguments: str | Path) -> Any:
        """Run a command with --json and return what it prints."""
        ended = self.run(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def product(self, name: str) -> str:
        """Create a product and return its key."""
        return str(self.json("products", "create", name)["key"])
