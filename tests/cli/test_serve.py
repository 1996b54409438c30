import re
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from nameplate.settings import Settings
from tests.support import batch, forked
from tests.support.server import PROGRAM, ROOT_ID, ROOT_SECRET, Server
from tests.support.signer import Client

MINTED = re.compile(r"Root access key, shown once and kept in (\S+): (NP\w+) (\w+)")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return forked.run(arguments, environment, timeout=30)


def test_the_root_key_is_shown_once_and_kept_for_its_owner(data_dir: Path) -> None:
    server = Server(data_dir, program=PROGRAM, own_root_key=False).start()
    path, key_id, secret = MINTED.findall("\n".join(server.said))[0]
    client = Client(server.port, key_id, secret)
    client.call("CreateProduct", ProductName="pumps", NodeType="0")
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    assert server.stop() == 0

    again = Server(data_dir, program=PROGRAM, own_root_key=False).start()
    assert secret not in "\n".join(again.said)
    Client(again.port, key_id, secret).call("CreateProduct", ProductName="valves", NodeType="0")
    assert again.stop() == 0
    assert secret not in again.log


def test_every_file_is_for_its_owner_only(data_dir: Path) -> None:
    server = Server(data_dir, own_root_key=False).start()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()}
    server.stop()
    assert {"master.key", "root-access-key", "nameplate.db", "nonces.db"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_a_changed_root_secret_replaces_the_old_one(data_dir: Path) -> None:
    Server(data_dir).start().stop()
    server = Server(data_dir).start(NAMEPLATE_ROOT_ACCESS_KEY_SECRET="another")
    assert Client(server.port, ROOT_ID, ROOT_SECRET).v1("QueryProduct").code == "SignatureDoesNotMatch"
    assert Client(server.port, ROOT_ID, "another").v1("QueryProduct").code == "MissingProductKey"
    server.stop()


def test_sigterm_finishes_what_runs(data_dir: Path) -> None:
    server = Server(data_dir, program=PROGRAM).start()
    product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    sent = [batch.check(server.root, product, [f"n{part}-{n:05}" for n in range(5_000)]) for part in range(4)]
    assert server.stop() == 0
    server.start()
    assert {batch.wait(server.root, product, one)["Status"] for one in sent} == {"CHECK_SUCCESS"}
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_a_worker_beside_the_server_does_the_work(data_dir: Path) -> None:
    server = Server(data_dir, workers="0").start()
    product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    sent = batch.check(server.root, product, ["name-1", "name-2"])
    command = [*PROGRAM, "worker", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert "worker is ready" in worker.stdout.readline()
        assert batch.wait(server.root, product, sent)["Status"] == "CHECK_SUCCESS"
        worker.terminate()
        assert worker.wait(timeout=30) == 0
    assert server.stop() == 0


@pytest.fixture
def sealed(data_dir: Path) -> Path:
    """A data directory that a server has used."""
    Server(data_dir).start().stop()
    return data_dir


def test_the_wrong_master_key_is_refused_before_anything_is_served(sealed: Path) -> None:
    (sealed / "master.key").write_text("00" * 32)
    ended = run("serve", "--data-dir", str(sealed), "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"nameplate: The master key in {sealed / 'master.key'} is not the one this database was sealed with. "
        "Give the right one back.\n"
    )


def test_a_lost_master_key_is_not_replaced(sealed: Path) -> None:
    (sealed / "master.key").unlink()
    ended = run("serve", "--data-dir", str(sealed), "--port", "0")
    assert ended.returncode == 1
    assert "Put it back" in ended.stderr
    assert not (sealed / "master.key").exists()


def test_the_master_key_may_come_from_the_environment(sealed: Path) -> None:
    key = (sealed / "master.key").read_text().strip()
    (sealed / "master.key").unlink()
    assert run("keys", "list", "--data-dir", str(sealed), NAMEPLATE_MASTER_KEY=key).returncode == 0
    wrong = run("keys", "list", "--data-dir", str(sealed), NAMEPLATE_MASTER_KEY="not hexadecimal")
    assert wrong.returncode == 1
    assert "64 hexadecimal digits" in wrong.stderr
    assert "not hexadecimal" not in wrong.stderr.replace("is not hexadecimal", "")


def test_half_a_root_key_is_refused(data_dir: Path) -> None:
    ended = run("serve", "--data-dir", str(data_dir), "--port", "0", NAMEPLATE_ROOT_ACCESS_KEY_ID="only-the-id")
    assert ended.returncode == 1
    assert "Set both" in ended.stderr


def test_a_port_in_use_is_said(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("serve", "--data-dir", str(data_dir), "--port", str(port))
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_a_database_that_nameplate_does_not_run_on_is_refused(data_dir: Path) -> None:
    ended = run("serve", "--data-dir", str(data_dir), "--database-url", "mysql://u:secret@h/d")
    assert ended.returncode == 1
    assert "SQLite" in ended.stderr
    assert "secret" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "NAMEPLATE_PORT is not valid"),
        (["--lease", "0"], "NAMEPLATE_LEASE is not valid"),
        (["--port", "x"], "--port"),
        (["--name-check", "x"], "--name-check"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_usage_exits_with_2(options: list[str], message: str, data_dir: Path) -> None:
    ended = run("serve", "--data-dir", str(data_dir), *options, NO_COLOR="1", TERM="dumb")
    assert ended.returncode == 2
    assert message in ended.stderr
    assert not data_dir.exists()


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert ended.returncode == 1
    assert "cannot be made" in ended.stderr


def test_every_setting_is_an_option_unless_it_is_secret() -> None:
    plain = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    commands = (["serve"], ["worker"], ["brokers", "rabbitmq"])
    shown = "".join(run(*command, "--help", **plain).stdout for command in commands)
    for name, field in Settings.model_fields.items():
        is_secret = "SecretStr" in str(field.annotation)
        assert (f"--{name.replace('_', '-')}" in shown) != is_secret
        assert (f"[env var: NAMEPLATE_{name.upper()}]" in shown) != is_secret


def test_a_database_that_cannot_be_opened_is_said(data_dir: Path) -> None:
    (data_dir / "nameplate.db").mkdir(parents=True)
    ended = run("serve", "--data-dir", str(data_dir), "--port", "0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("nameplate: The database cannot be opened: ")


def test_a_file_that_is_no_database_is_said(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "nameplate.db").write_text("this is not a database " * 1_000)
    ended = run("serve", "--data-dir", str(data_dir), "--port", "0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("nameplate: The database cannot be opened: ")
