import json
import re
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.cli import Cli
from tests.support.server import Server

GOOD = "DeviceName,Nickname\npump-01,Pump_01\npump-02,Pump_02\npump-03,Pump_03\n"
BAD = "DeviceName,Nickname\npump-01,Pump_01\n8.61E+14,\nx,\npump-04,\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.csv", GOOD)


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return write(tmp_path / "bad.csv", BAD)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def batch_in(text: str) -> str:
    return str(re.findall(r"Batch (\d+)", text)[0])


def test_a_file_becomes_devices(cli: Cli, good: Path, product_key: str) -> None:
    ended = cli.run("import", good, "--product", product_key, "--yes")
    assert ended.returncode == 0, ended.stderr
    assert f"good.csv into {product_key}: ended (CREATE_SUCCESS, all-or-nothing)" in ended.stdout
    assert "3 created" in ended.stdout
    assert ended.stderr.startswith("uploading: 0 bytes of 68 bytes\n")


def test_the_same_file_again_changes_nothing_and_says_so(cli: Cli, good: Path, product_key: str) -> None:
    first = cli.json("import", good, "--product", product_key, "--yes")
    second = cli.json("import", good, "--product", product_key, "--yes")
    assert first["batch_id"] != second["batch_id"]
    assert (second["state"], second["unchanged"], second["created"]) == ("CREATE_SUCCESS", 3, 0)
    assert "3 unchanged: they exist with the same content" in cli.run("status", str(second["batch_id"])).stdout


def test_a_plan_creates_nothing_and_is_gone_on_with(cli: Cli, good: Path, product_key: str) -> None:
    planned = cli.json("import", good, "--product", product_key, "--plan")
    assert (planned["stage"], planned["to_create"], planned["created"]) == ("planned", 3, 0)
    applied = cli.run("import", good, "--product", product_key, "--yes")
    assert f"Going on with batch {planned['batch_id']}; --new begins another." in applied.stderr
    assert "3 created" in applied.stdout


def test_new_begins_another_batch(cli: Cli, good: Path, product_key: str) -> None:
    first = cli.json("import", good, "--product", product_key, "--plan")
    second = cli.json("import", good, "--product", product_key, "--plan", "--new")
    assert first["batch_id"] != second["batch_id"]


def test_a_plan_can_be_applied_later(cli: Cli, good: Path, product_key: str) -> None:
    planned = cli.run("import", good, "--product", product_key, "--plan")
    assert planned.returncode == 0
    ended = cli.run("apply", batch_in(planned.stdout))
    assert (ended.returncode, "3 created" in ended.stdout) == (0, True), ended.stderr


def test_a_plan_can_be_cancelled(cli: Cli, good: Path, product_key: str) -> None:
    planned = cli.json("import", good, "--product", product_key, "--plan")
    for _ in range(2):
        cancelled = cli.json("cancel", str(planned["batch_id"]))
        assert (cancelled["stage"], cancelled["created"]) == ("cancelled", 0)
    again = cli.json("import", good, "--product", product_key, "--plan")
    assert again["batch_id"] != planned["batch_id"]


def test_a_plan_that_cannot_be_applied_is_shown_with_the_rows_in_its_way(cli: Cli, bad: Path, product_key: str) -> None:
    ended = cli.run("import", bad, "--product", product_key, "--yes")
    assert ended.returncode == 1
    assert "2 of its rows are illegal" in ended.stderr
    assert '  line 3, DeviceName "8.61E+14": ' in ended.stdout
    assert '  line 4, DeviceName "x": ' in ended.stdout
    assert f"nameplate failed {batch_in(ended.stdout)} -o FILE" in ended.stdout


def test_failed_rows_are_corrected_and_complete_the_batch(cli: Cli, bad: Path, product_key: str) -> None:
    ended = cli.run("import", bad, "--product", product_key, "--yes", "--policy", "skip-invalid")
    assert (ended.returncode, "2 created" in ended.stdout, "2 illegal" in ended.stdout) == (1, True, True)
    batch = batch_in(ended.stdout)
    failed = cli.home / "failed.csv"
    assert cli.run("failed", batch, "-o", failed).stdout == f"{failed}\n"
    assert stat.S_IMODE(failed.stat().st_mode) == 0o600
    text = failed.read_text(encoding="utf-8-sig")
    assert "Line" in text.splitlines()[0]
    assert len(text.splitlines()) == 3
    failed.write_text(
        text.replace("8.61E+14", "861000000000000").replace(",x,", ",pump-05,").replace("\nx,", "\npump-05,")
    )
    again = cli.run("retry", batch, failed, "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"Batch {batch}, bad.csv into {product_key}: ended (CREATE_SUCCESS, skip-invalid)" in again.stdout
    assert "4 created" in again.stdout


def test_a_secret_is_replaced_only_if_that_is_said(cli: Cli, product_key: str) -> None:
    file = write(cli.home / "secrets.csv", "DeviceName,DeviceSecret\npump-01,old-secret\n")
    assert cli.run("import", file, "--product", product_key, "--yes").returncode == 0
    write(file, "DeviceName,DeviceSecret\npump-01,another-secret\n")
    refused = cli.run("import", file, "--product", product_key, "--yes", "--policy", "skip-invalid")
    assert (refused.returncode, "1 in conflict" in refused.stdout) == (1, True)
    assert "another-secret" not in refused.stdout + refused.stderr
    options = ("--yes", "--policy", "skip-invalid", "--replace-secrets")
    replaced = cli.run("import", file, "--product", product_key, *options)
    assert (replaced.returncode, "1 updated" in replaced.stdout) == (0, True), replaced.stdout + replaced.stderr


def test_what_cannot_be_found_out_can_be_said(cli: Cli, product_key: str) -> None:
    file = write(cli.home / "odd.txt", "Serial|Colour\npump-01|Pump_01\n")
    options = ("--format", "csv", "--delimiter", "|", "--encoding", "utf-8", "--column", "DeviceName=Serial")
    ended = cli.run("import", file, "--product", product_key, "--yes", *options)
    assert (ended.returncode, "1 created" in ended.stdout) == (0, True), ended.stdout + ended.stderr


def test_a_file_that_cannot_be_read_says_where(cli: Cli, product_key: str) -> None:
    file = write(cli.home / "no-names.csv", "Colour,Weight\nred,5\n")
    ended = cli.run("import", file, "--product", product_key, "--yes")
    assert ended.returncode == 1
    assert "DeviceName" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_detached_import_is_left_to_the_server_and_watched_later(cli: Cli, good: Path, product_key: str) -> None:
    left = cli.run("import", good, "--product", product_key, "--yes", "--detach")
    assert left.returncode == 0
    watched = cli.run("watch", batch_in(left.stdout), "--json")
    assert watched.returncode == 0
    last = json.loads(watched.stdout.splitlines()[-1])
    assert (last["state"], last["created"]) == ("CREATE_SUCCESS", 3)


def test_nobody_is_asked_where_there_is_no_terminal(cli: Cli, good: Path, product_key: str) -> None:
    ended = cli.run("import", good, "--product", product_key)
    assert (ended.returncode, "say --yes, or --plan" in ended.stderr) == (2, True)
    assert cli.json("status", "--product", product_key) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("import", "nowhere.csv", "--product", "a1B2c3D4e5F", "--yes"), 1, "nowhere.csv: No such file or directory."),
        (("import", ".", "--product", "a1B2c3D4e5F", "--yes"), 2, "is not a file"),
        (("import", "empty.csv", "--product", "a1B2c3D4e5F", "--yes"), 1, "empty.csv is empty."),
        (("import", "few.csv", "--product", "a1B2c3D4e5F", "--yes"), 1, "The product does not exist."),
        (("import", "few.csv", "--product", "a1B2c3D4e5F", "--yes", "--column", "Serial"), 2, "--column Serial is not"),
        (("import", "few.csv", "--product", "a1B2c3D4e5F", "--yes", "--policy", "some"), 2, "--policy"),
        (("status", "999999"), 1, "(iot.device.DeviceApplyIsNotFound, HTTP 404, request "),
        (("cancel", "999999"), 1, "HTTP 404"),
        (("status", "0"), 2, "batch"),
        (("products", "create", "x"), 1, "ProductName is not valid"),
        (("status", "--server", "registry.example"), 2, "is not a URL like"),
        (("status", "--server", "http://127.0.0.1:1"), 1, "No connection to http://127.0.0.1:1: Connection refused."),
        (("status", "--profile", "line-2"), 2, "There is no profile line-2"),
    ],
)
def test_what_is_wrong_is_said_without_a_stack_trace(
    arguments: tuple[str, ...], code: int, message: str, cli: Cli
) -> None:
    write(cli.home / "empty.csv", "")
    write(cli.home / "few.csv", GOOD)
    ended = cli.run(*arguments)
    assert ended.returncode == code, ended.stderr
    assert message in " ".join(ended.stderr.replace("│", "").split())
    assert "Traceback" not in ended.stderr


def test_a_refusal_is_json_too(cli: Cli) -> None:
    ended = cli.run("status", "999999", "--json")
    assert (ended.returncode, ended.stdout) == (1, "")
    problem = json.loads(ended.stderr)
    assert (problem["status"], problem["where"]) == (404, "batch_id")


def test_a_key_may_do_what_its_role_allows(local: Server, cli: Cli, good: Path, product_key: str) -> None:
    reader = local.key("reader")
    limited = Cli(cli.home, local.port, reader.key_id, reader.secret)
    assert limited.run("products", "list").returncode == 0
    refused = limited.run("import", good, "--product", product_key, "--yes")
    assert (refused.returncode, "needs the role registrar" in refused.stderr) == (1, True)
    wrong = Cli(cli.home, local.port, reader.key_id, "wrong")
    assert "(CredentialsInvalid, HTTP 401" in wrong.run("products", "list").stderr


def test_a_profile_is_enough(local: Server, cli: Cli, good: Path, product_key: str) -> None:
    for name in [name for name in cli.environment if name.startswith("NAMEPLATE_")]:
        del cli.environment[name]
    assert "No access key" in cli.run("products", "list").stderr
    key = local.key("registrar", "root", "--temporary", "600")
    profiles = cli.home / ".config" / "nameplate" / "profiles.toml"
    profiles.parent.mkdir(parents=True)
    members = {
        "server": f"http://127.0.0.1:{local.port}",
        "access_key_id": key.key_id,
        "access_key_secret": key.secret,
        "security_token": key.common["SecurityToken"],
    }
    profiles.write_text("\n".join(["[line-2]", *(f'{name} = "{text}"' for name, text in members.items())]))
    profiles.chmod(0o600)
    assert cli.run("import", good, "--product", product_key, "--yes", "--profile", "line-2").returncode == 0
    assert cli.run("status", NAMEPLATE_PROFILE="line-2").returncode == 0


def test_products_are_listed_and_created(cli: Cli) -> None:
    name = f"p_{uuid4().hex[:20]}"
    key = cli.run("products", "create", name, "--gateway").stdout.strip()
    assert f"{key}  gateway  secret  {name}" in cli.run("products", "list").stdout
    made = cli.json("products", "list")
    assert next(one["name"] for one in made if one["key"] == key) == name
