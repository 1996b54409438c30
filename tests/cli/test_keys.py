import json
from pathlib import Path

import pytest

from tests.support.server import Server


def test_a_key_is_shown_when_it_is_created_and_never_again(data_dir: Path) -> None:
    server = Server(data_dir)
    created = json.loads(server.keys("create", "--role", "registrar", "--account", "factory").stdout)
    assert {"Account": "factory", "Role": "registrar"}.items() <= created.items()
    listed = server.keys("list", "--json")
    rows = json.loads(listed.stdout)
    assert [(row["id"], row["account"], row["role"], row["state"]) for row in rows] == [
        (created["AccessKeyId"], "factory", "registrar", "active")
    ]
    assert created["AccessKeySecret"] not in listed.stdout
    assert created["AccessKeyId"] in server.keys("list").stdout


def test_a_key_is_disabled(data_dir: Path) -> None:
    server = Server(data_dir)
    created = json.loads(server.keys("create", "--role", "reader").stdout)
    assert server.keys("disable", created["AccessKeyId"]).returncode == 0
    assert json.loads(server.keys("list", "--json").stdout)[0]["state"] == "disabled"


def test_a_key_that_is_not_there_cannot_be_disabled(data_dir: Path) -> None:
    ended = Server(data_dir).keys("disable", "nobody")
    assert ended.returncode == 1
    assert ended.stderr == "nameplate: There is no access key nobody. `nameplate keys list` shows them.\n"


def test_a_temporary_key_has_a_token_and_an_end(data_dir: Path) -> None:
    server = Server(data_dir)
    created = json.loads(server.keys("create", "--role", "reader", "--temporary", "60").stdout)
    assert created["AccessKeyId"].startswith("STS.")
    assert len(created["SecurityToken"]) == 64
    assert json.loads(server.keys("list", "--json").stdout)[0]["expires"] == created["Expires"]


@pytest.mark.parametrize(
    "arguments", [("create",), ("create", "--role", "king"), ("create", "--role", "reader", "--temporary", "0")]
)
def test_bad_usage_exits_with_2(arguments: tuple[str, ...], data_dir: Path) -> None:
    assert Server(data_dir).keys(*arguments).returncode == 2
