"""docs/files.md is run, from its first command to its last, as somebody who follows it would."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nameplate.cli.commands import COMMANDS
from tests.support.cli import Cli
from tests.support.server import Server

PAGE = Path(__file__).parent.parent.parent / "docs" / "files.md"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
AGE_KEYGEN = """
import sys
from collections.abc import Iterator
from pathlib import Path
import pyrage
if sys.argv[1] == "-o":
    Path(sys.argv[2]).write_text(f"{pyrage.x25519.Identity.generate()}\\n")
else:
    print(pyrage.x25519.Identity.from_str(Path(sys.argv[2]).read_text().strip()).to_public())
"""
AGE = """
import sys
from collections.abc import Iterator
from pathlib import Path
import pyrage
_, _, _, key, file = sys.argv
identity = pyrage.x25519.Identity.from_str(Path(key).read_text().strip())
sys.stdout.buffer.write(pyrage.decrypt(Path(file).read_bytes(), [identity]))
"""
JQ = """
import json
import sys
found = json.load(sys.stdin)
if sys.argv[1] == "-e":
    sys.exit(0 if found["unchanged"] == 4 else 1)
print(found[0]["batch_id"])
"""


def blocks() -> list[str]:
    """Return the page's commands, in order."""
    text = FENCED.sub("", PAGE.read_text())
    return [re.sub(r"^ {4}", "", found, flags=re.MULTILINE) for found in INDENTED.findall(text)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody has used."""
    server = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log


def tool(directory: Path, name: str, program: str) -> None:
    """Put a program where the shell finds it: our own, and stand-ins for the parts of others' that the page uses."""
    path = directory / name
    path.write_text(f"#!{sys.executable}\n{program}")
    path.chmod(0o755)


def test_every_command_of_the_page_does_what_the_page_says(server: Server, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    tool(tools, "nameplate", "from nameplate.cli import app\napp()")
    for name, program in (("age-keygen", AGE_KEYGEN), ("age", AGE), ("jq", JQ)):
        tool(tools, name, program)
    home = tmp_path / "home"
    home.mkdir()
    key = json.loads(server.keys("create", "--role", "admin", "--account", "factory-7").stdout)
    said = {
        "https://mes.example.com/hook": "http://127.0.0.1:9/hook",
        "http://127.0.0.1:8420": f"http://127.0.0.1:{server.port}",
        "NAMEPLATE_ACCESS_KEY_ID=…": f"NAMEPLATE_ACCESS_KEY_ID={key['AccessKeyId']}",
        "NAMEPLATE_ACCESS_KEY_SECRET=…": f"NAMEPLATE_ACCESS_KEY_SECRET={key['AccessKeySecret']}",
    }
    script = "".join(f'{block}code=$?; echo; echo "-- $code"\n' for block in blocks())
    for written, meant in said.items():
        assert written in script
        script = script.replace(written, meant)
    environment = Cli(home, server.port).environment | {
        "PATH": f"{tools}:/usr/bin:/bin",
        "NAMEPLATE_DATA_DIR": str(server.data_dir),
    }
    ended = subprocess.run(
        ["/bin/bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    expected = [1 if "exits with 1" in block else 0 for block in blocks()]
    codes = [int(code) for code in re.findall(r"^-- (\d+)$", ended.stdout, re.MULTILINE)]
    assert codes == expected, ended.stdout + ended.stderr
    shown = {line.strip() for line in ended.stdout.splitlines()}
    examples = [text for kind, text in FENCED.findall(PAGE.read_text()) if kind == "text"]
    assert examples
    for line in "".join(examples).splitlines():
        assert line.strip() in shown, ended.stdout
    opened = (home / "opened.csv").read_text(encoding="utf-8-sig").splitlines()
    assert opened == (home / "pumps-out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(opened) == 5


def test_the_profiles_of_the_page_are_ones(tmp_path: Path) -> None:
    path = tmp_path / ".config" / "nameplate" / "profiles.toml"
    path.parent.mkdir(parents=True)
    path.write_text(next(text for kind, text in FENCED.findall(PAGE.read_text()) if kind == "toml").replace("…", "x"))
    path.chmod(0o600)
    cli = Cli(tmp_path, 1)
    asked = cli.run("status", "--profile", "line-2", "--server", "http://127.0.0.1:1")
    assert (asked.returncode, "No connection" in asked.stderr) == (1, True), asked.stderr


def test_the_page_knows_every_command_of_a_server() -> None:
    text = PAGE.read_text()
    missing = [
        name for name, (_, _, panel) in COMMANDS.items() if panel == "On a server" and f"nameplate {name}" not in text
    ]
    assert missing == ["apply"]
