import csv
import io
import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from tests.support.cli import Cli
from tests.support.server import Server
from tests.support.weak_link import WeakLink

ROWS = 20


@pytest.fixture(scope="module")
def owner(servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Somebody with devices."""
    return Cli(tmp_path_factory.mktemp("home"), servers("sqlite").port)


@pytest.fixture(scope="module")
def batch(owner: Cli) -> str:
    """A batch of devices, one of which has a name that a spreadsheet would take for a formula."""
    file = owner.home / "pumps.csv"
    names = [f"pump-{number:02}" for number in range(ROWS - 1)] + ["@pump"]
    file.write_text("\n".join(["DeviceName", *names, ""]))
    progress = owner.json("import", file, "--product", owner.product("exported_pumps"), "--yes")
    assert progress["created"] == ROWS
    return str(progress["batch_id"])


@pytest.fixture(scope="module")
def key(owner: Cli) -> str:
    """The server's public key, pinned."""
    return owner.run("manifest-key").stdout.strip()


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, str]:
    """A factory's key file and its public key."""
    made = pyrage.x25519.Identity.generate()
    path = tmp_path / "factory.txt"
    path.write_text(f"# public key: {made.to_public()}\n{made}\n")
    return path, str(made.to_public())


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "parquet"])
def test_every_format_is_exported_and_verified(form: str, owner: Cli, batch: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / f"devices.{form}"
    ended = owner.run("export", "--batch", batch, "-o", file)
    assert (ended.returncode, ended.stdout) == (0, f"{file}\n{file}.manifest.json\n"), ended.stderr
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2
    verified = owner.run("verify", file, "--key", key)
    assert verified.returncode == 0, verified.stderr
    assert f"{ROWS} devices of batch {batch}" in verified.stdout
    assert "Its rows were counted." in verified.stdout


def test_a_sealed_export_is_for_its_recipient_only(
    owner: Cli, batch: str, key: str, identity: tuple[Path, str], tmp_path: Path
) -> None:
    file, (path, public) = tmp_path / "devices.csv.age", identity
    assert owner.run("export", "--batch", batch, "--to", public, "-o", file).returncode == 0
    assert b"pump-01" not in file.read_bytes()
    unopened = owner.run("verify", file, "--key", key)
    assert (unopened.returncode, "were not counted" in unopened.stdout) == (0, True)
    opened = owner.json("verify", file, "--key", key, "--identity", path)
    assert (opened["counted_rows"], opened["manifest"]["recipients"]) == (ROWS, [public])
    clear = pyrage.decrypt(file.read_bytes(), [pyrage.x25519.Identity.from_str(path.read_text().split("\n")[1])])
    rows = list(csv.DictReader(io.StringIO(clear.decode("utf-8-sig"))))
    assert len({row["DeviceSecret"] for row in rows}) == ROWS
    other = tmp_path / "other.txt"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    refused = owner.run("verify", file, "--key", key, "--identity", other)
    assert (refused.returncode, "not sealed to any key" in refused.stderr) == (1, True)
    empty = owner.run("verify", file, "--key", key, "--identity", owner.home / "pumps.csv")
    assert (empty.returncode, "not a key file" in empty.stderr) == (2, True)


def test_a_changed_file_manifest_or_key_is_noticed(owner: Cli, batch: str, key: str, tmp_path: Path) -> None:
    file, manifest = tmp_path / "devices.csv", tmp_path / "devices.csv.manifest.json"
    owner.run("export", "--batch", batch, "-o", file)
    whole, signed = file.read_bytes(), manifest.read_bytes()

    def verdict(changed: bytes, document: bytes, trusted: str = key) -> str:
        file.write_bytes(changed)
        manifest.write_bytes(document)
        ended = owner.run("verify", file, "--key", trusted)
        assert (ended.returncode, ended.stdout) == (1, "")
        return ended.stderr

    assert "it was changed" in verdict(whole.replace(b"pump-01", b"pump-91"), signed)
    assert "bytes, the manifest says" in verdict(whole[:-20], signed)
    assert "the manifest was changed" in verdict(whole, signed.replace(b'"rows": 20', b'"rows": 21'))
    assert "manifest" in verdict(whole, b"{}")
    assert "signed with another key" in verdict(whole, signed, "A" * 43 + "=")


def test_a_key_to_trust_comes_from_the_environment_too(owner: Cli, batch: str, key: str, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    owner.run("export", "--batch", batch, "-o", file)
    assert owner.run("verify", file, NAMEPLATE_MANIFEST_KEY=key, NAMEPLATE_SERVER="http://127.0.0.1:1").returncode == 0
    missing = owner.run("verify", file)
    assert (missing.returncode, "No key to trust" in missing.stderr) == (2, True)


def test_a_products_devices_are_exported_by_status(owner: Cli, batch: str, tmp_path: Path) -> None:
    product = owner.json("status", batch)["product_key"]
    for status, rows in (("unactive", ROWS), ("online", 0)):
        file = tmp_path / f"{status}.jsonl"
        assert owner.run("export", "--product", product, "--status", status, "-o", file).returncode == 0
        assert len(file.read_text().splitlines()) == rows


def test_an_export_may_go_down_a_pipe(owner: Cli, batch: str) -> None:
    ended = owner.run("export", "--batch", batch, "--format", "jsonl", "-o", "-")
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, ROWS)
    command = f"{' '.join(owner.command('export', '--batch', batch, '--format', 'csv', '-o', '-'))} | head -c 1"
    piped = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, env=owner.environment, timeout=60
    )
    assert "Traceback" not in piped.stderr


def test_an_export_that_breaks_off_is_begun_anew_and_never_half_there(
    owner: Cli, batch: str, tmp_path: Path, local: Server
) -> None:
    with WeakLink.to(local.port) as link:
        far = Cli(owner.home, link.port)
        link.cut_at_reply = 800
        ended = far.run("export", "--batch", batch, "-o", tmp_path / "devices.csv")
    assert (ended.returncode, "Trying again" in ended.stderr) == (0, True), ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"devices.csv", "devices.csv.manifest.json"}


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_template_is_there_to_fill_in(form: str, owner: Cli, tmp_path: Path) -> None:
    file = tmp_path / f"devices.{form}"
    assert owner.run("template", "-o", file).stdout == f"{file}\n"
    assert file.stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("export", "-o", "d.csv"), 2, "--batch or --product"),
        (("export", "--batch", "{batch}", "-o", "d.txt"), 2, "say --format, one of csv, xlsx, jsonl, parquet"),
        (("export", "--batch", "{batch}", "--status", "online", "-o", "d.csv"), 2, "use them with --product"),
        (("export", "--batch", "999999", "-o", "d.csv"), 1, "HTTP 404"),
        (("export", "--batch", "{batch}", "--to", "age1x", "-o", "d.csv"), 1, "is not an age public key"),
        (("export", "--batch", "{batch}", "-o", "nowhere/d.csv"), 1, "No such file or directory"),
        (("verify", "nowhere.csv", "--key", "k"), 1, "nowhere.csv.manifest.json: No such file or directory."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    arguments: tuple[str, ...], code: int, message: str, owner: Cli, batch: str, tmp_path: Path
) -> None:
    elsewhere = Cli(tmp_path, int(owner.environment["NAMEPLATE_SERVER"].rsplit(":", 1)[1]))
    ended = elsewhere.run(*(argument.format(batch=batch) for argument in arguments))
    assert (ended.returncode, message in ended.stderr, "Traceback" in ended.stderr) == (code, True, False), ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_as_json_says_where_and_what_it_is(owner: Cli, batch: str, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    answer = owner.json("export", "--batch", batch, "-o", file)
    assert (answer["file"], answer["manifest"]["rows"]) == (str(file), ROWS)
    assert json.loads(Path(answer["manifest_file"]).read_text()) == answer["manifest"]
