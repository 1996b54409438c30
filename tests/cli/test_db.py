"""`nameplate db`: the schema of a database, and a server that waits for it."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import batch, forked
from tests.support.databases import Databases
from tests.support.server import Server


def run(data_dir: Path, url: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"NAMEPLATE_DATABASE_URL": url} if url else {})}
    return forked.run([*arguments, "--data-dir", str(data_dir)], environment)


@pytest.fixture
def url(databases: Databases) -> str:
    """The URL of a PostgreSQL database without a schema."""
    return databases.empty()


def test_a_server_does_not_start_on_a_postgresql_that_is_behind(data_dir: Path, url: str) -> None:
    for command in (["serve", "--port", "0"], ["serve", "--port", "0", "--processes", "2"], ["worker"]):
        ended = run(data_dir, url, *command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == f"nameplate: The database {url} has no schema yet. Run: nameplate db upgrade\n"
    assert run(data_dir, url, "db", "check").returncode == 1
    upgraded = run(data_dir, url, "db", "upgrade")
    assert (upgraded.returncode, upgraded.stdout) == (0, f"{url} is up to date\n")
    assert run(data_dir, url, "db", "upgrade").returncode == 0
    assert run(data_dir, url, "db", "check").returncode == 0
    assert Server(data_dir, database_url=url).start().stop() == 0


def test_an_embedded_database_is_brought_up_to_date_by_the_server(data_dir: Path) -> None:
    assert run(data_dir, None, "db", "check").returncode == 1
    assert Server(data_dir).start().stop() == 0
    assert run(data_dir, None, "db", "check").returncode == 0


def test_a_password_is_never_shown(data_dir: Path) -> None:
    secret = "postgresql://nameplate:the-password@127.0.0.1:1/none"
    for command in (["db", "check"], ["db", "upgrade"], ["serve", "--port", "0"]):
        ended = run(data_dir, secret, *command)
        assert ended.returncode == 1
        assert "cannot be opened" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "the-password" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("bad", ["mysql://u:the-password@h/d", "not a url", "postgresql+asyncpg://h/d"])
def test_a_database_that_nameplate_does_not_run_on_is_refused(data_dir: Path, bad: str) -> None:
    ended = run(data_dir, bad, "db", "check")
    assert ended.returncode == 1
    assert "postgresql://user@host/name" in ended.stderr
    assert "the-password" not in ended.stderr


def test_after_a_restore_no_id_is_given_out_again(data_dir: Path, tmp_path: Path) -> None:
    server = Server(data_dir).start()
    product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    assert server.stop() == 0
    shutil.copytree(data_dir, tmp_path / "backup")
    lost = register(server.start(), product, "lost")
    assert server.stop() == 0
    shutil.rmtree(data_dir)
    shutil.copytree(tmp_path / "backup", data_dir)
    assert run(data_dir, None, "db", "restored").returncode == 0
    assert not lost & register(server.start(), product, "new")
    assert server.stop() == 0


def register(server: Server, product: str, kind: str) -> set[str]:
    """Register a batch and single devices, and return their ids and secrets."""
    made = batch.devices(
        server.root, batch.register(server.root, product, [f"{kind}-{row}" for row in range(1_000, 1_010)])
    )
    for row in range(10):
        name = f"{kind}-single-{row}"
        made.append(server.root.call("RegisterDevice", ProductKey=product, DeviceName=name)["Data"])
    return {row["IotId"] for row in made} | {row["DeviceSecret"] for row in made}


def test_an_embedded_database_of_a_newer_version_is_left_alone(data_dir: Path) -> None:
    assert Server(data_dir).start().stop() == 0
    with closing(sqlite3.connect(data_dir / "nameplate.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in (["serve", "--port", "0"], ["db", "check"], ["db", "upgrade"]):
        ended = run(data_dir, None, *command)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.endswith("was made by a newer version. Install that version.\n")
