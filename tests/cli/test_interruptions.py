"""What breaks on the way: connections, servers, the command itself. Nothing is sent twice, nothing is made twice."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from nameplate.cli.uploads import PIECE
from tests.support.cli import Cli
from tests.support.server import Server
from tests.support.weak_link import WeakLink

ROWS = 1_500
WIDTH = 16_000
# What a request has around a piece of the file.
AROUND = 100_000


@pytest.fixture
def link(local: Server) -> Iterator[WeakLink]:
    with WeakLink.to(local.port) as link:
        yield link


@pytest.fixture
def far(link: WeakLink, tmp_path: Path) -> Cli:
    """The command line at the other end of a weak link."""
    return Cli(tmp_path, link.port)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of three pieces, of which few bytes are names."""
    path = tmp_path / "large.csv"
    rows = (f"pump-{number:06},{'x' * WIDTH}" for number in range(ROWS))
    path.write_text("\n".join(["DeviceName,Remark", *rows, ""]))
    assert 2 * PIECE < path.stat().st_size < 3 * PIECE
    return path


def created(text: str) -> int:
    return int(re.findall(r"([\d,]+) created", text)[0].replace(",", ""))


def test_a_broken_connection_is_made_again_and_the_upload_goes_on(
    far: Cli, link: WeakLink, large: Path, product_key: str
) -> None:
    link.cut_at = PIECE + PIECE // 2
    ended = far.run("import", large, "--product", product_key, "--yes")
    assert ended.returncode == 0, ended.stderr
    assert created(ended.stdout) == ROWS
    assert "Trying again" in ended.stderr
    assert link.passed < large.stat().st_size + PIECE + AROUND


def test_a_killed_import_goes_on_where_it_was(far: Cli, link: WeakLink, large: Path, product_key: str) -> None:
    arguments = ("import", large, "--product", product_key, "--yes")
    link.stall_at = PIECE + PIECE // 2
    with far.start(*arguments) as first:
        assert link.reached.wait(60)
        first.kill()
    link.stall_at, link.passed = None, 0
    planned = far.run("import", large, "--product", product_key, "--plan")
    assert (planned.returncode, "Go on with: --yes --policy all-or-nothing" in planned.stderr) == (1, True)
    ended = far.run(*arguments)
    assert ended.returncode == 0, ended.stderr
    assert "Going on with batch" in ended.stderr
    assert created(ended.stdout) == ROWS
    assert link.passed < large.stat().st_size - PIECE + AROUND
    assert len(far.json("status", "--product", product_key)) == 1


def test_killed_corrections_go_on_where_they_were(far: Cli, link: WeakLink, large: Path, product_key: str) -> None:
    large.write_text(large.read_text().replace("pump-", "pump "))
    said = far.run("import", large, "--product", product_key, "--yes", "--policy", "skip-invalid").stdout
    batch = said.split()[1].rstrip(",")
    assert far.run("failed", batch, "-o", "failed.csv").returncode == 0
    failed = far.home / "failed.csv"
    failed.write_text(failed.read_text(encoding="utf-8-sig").replace("pump ", "pump-"))
    size = failed.stat().st_size
    assert 2 * PIECE < size < 3 * PIECE
    link.stall_at, link.passed = PIECE + PIECE // 2, 0
    link.reached.clear()
    with far.start("retry", batch, failed, "--yes") as first:
        assert link.reached.wait(60)
        first.kill()
    link.stall_at, link.passed = None, 0
    ended = far.run("retry", batch, failed, "--yes")
    assert (ended.returncode, created(ended.stdout)) == (0, ROWS), ended.stderr
    assert link.passed < size - PIECE + AROUND


def test_ctrl_c_says_how_to_go_on(far: Cli, link: WeakLink, large: Path, product_key: str) -> None:
    arguments = ("import", large, "--product", product_key, "--yes")
    link.stall_at = PIECE + PIECE // 2
    with far.start(*arguments) as first:
        assert link.reached.wait(60)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=30)
        assert first.returncode == 1
    assert said.endswith("nameplate: Stopped.\nThe same command again goes on from here.\n")
    link.stall_at = None
    assert created(far.run(*arguments).stdout) == ROWS


def test_a_restarted_server_is_waited_for(tmp_path: Path, large: Path) -> None:
    server = Server(tmp_path / "data").start()
    with WeakLink.to(server.port) as link:
        cli = Cli(tmp_path, link.port)
        product_key = cli.product("pumps")
        link.stall_at = link.passed + PIECE + PIECE // 2
        with cli.start("import", large, "--product", product_key, "--yes") as importing:
            assert link.reached.wait(60)
            server.kill()
            link.cut()
            link.stall_at = None
            link.target = server.start().port
            said, log = importing.communicate(timeout=60)
            assert importing.returncode == 0, log
        assert created(said) == ROWS
        assert "Trying again" in log
    assert server.stop() == 0


def test_a_changed_file_is_another_import(far: Cli, link: WeakLink, large: Path, product_key: str) -> None:
    arguments = ("import", large, "--product", product_key, "--yes")
    link.stall_at = PIECE + PIECE // 2
    with far.start(*arguments) as first:
        assert link.reached.wait(60)
        first.kill()
    link.stall_at = None
    large.write_text("DeviceName\nvalve-1\n")
    ended = far.run(*arguments)
    assert "has changed since batch" in ended.stderr
    assert created(ended.stdout) == 1


def test_a_file_that_changes_while_it_is_sent_is_not_taken(
    far: Cli, link: WeakLink, large: Path, product_key: str
) -> None:
    link.stall_at = PIECE // 2
    with far.start("import", large, "--product", product_key, "--yes") as importing:
        assert link.reached.wait(60)
        with large.open("a") as file:
            file.write("valve-1,\n")
        link.stall_at = None
        _, said = importing.communicate(timeout=60)
        assert importing.returncode == 1
    assert "has changed while it was sent" in said
    (left,) = far.json("status", "--product", product_key)
    assert left["stage"] == "uploading"


def test_an_import_that_cannot_be_noted_down_works_all_the_same(cli: Cli, product_key: str) -> None:
    (cli.home / "few.csv").write_text("DeviceName\nvalve-1\n")
    (cli.home / "state").write_text("not a directory")
    ended = cli.run("import", "few.csv", "--product", product_key, "--yes", XDG_STATE_HOME=str(cli.home / "state"))
    assert ended.returncode == 0, ended.stderr
    assert "cannot be resumed" in ended.stderr
