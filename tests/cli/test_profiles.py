import os
from pathlib import Path

import pytest

from nameplate.cli.ending import USAGE, CommandError
from nameplate.cli.profiles import LOCAL, choose

FILE = """
[default]
server = "https://default.example"
access_key_id = "default-id"
access_key_secret = "default-secret"

[line-2]
server = "https://line-2.example"
access_key_id = "line-2-id"
access_key_secret = "line-2-secret"
manifest_key = "pinned"
"""
AROUND = {
    "NAMEPLATE_SERVER": "https://around.example",
    "NAMEPLATE_ACCESS_KEY_ID": "around-id",
    "NAMEPLATE_ACCESS_KEY_SECRET": "around-secret",
}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which there is a file of profiles."""
    write(tmp_path, FILE)
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def write(config: Path, text: str, mode: int = 0o600) -> Path:
    path = config / "nameplate" / "profiles.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_without_anything_it_is_the_server_of_this_machine(tmp_path: Path) -> None:
    chosen = choose(None, None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert (chosen.server, chosen.access_key_id) == (LOCAL, None)


def test_the_profile_default_is_the_last_resort(home: dict[str, str]) -> None:
    assert choose(None, None, home).access_key_secret == "default-secret"
    assert choose(None, None, home | AROUND).server == "https://around.example"


def test_a_profile_that_was_named_comes_before_the_environment(home: dict[str, str]) -> None:
    chosen = choose(None, "line-2", home | AROUND)
    assert (chosen.server, chosen.access_key_id, chosen.access_key_secret, chosen.manifest_key) == (
        "https://line-2.example",
        "line-2-id",
        "line-2-secret",
        "pinned",
    )


def test_the_server_of_the_command_line_comes_first(home: dict[str, str]) -> None:
    assert choose("https://here.example", "line-2", home | AROUND).server == "https://here.example"


def test_an_access_key_is_never_put_together_from_two_places(home: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="Half an access key"):
        choose(None, None, home | {"NAMEPLATE_ACCESS_KEY_ID": "around-id"})
    around = home | AROUND | {"NAMEPLATE_SECURITY_TOKEN": "around-token"}
    assert choose(None, "line-2", around).security_token is None
    assert choose(None, None, around).security_token == "around-token"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = write(tmp_path, FILE, mode)
    with pytest.raises(CommandError, match=f"chmod 600 {path}"):
        choose(None, None, {"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[default", "is not TOML"),
        ('default = "x"', "is not a profile"),
        ('[default]\nsecret = "x"', "has no secret"),
        ("[default]\nserver = 5", "server of .default. is not a text"),
        ('[default]\naccess_key_id = "x"', "Half an access key"),
        ('[default]\naccess_key_id = "…"', "characters that none has"),
        ('[default]\nserver = "registry.example"', "is not a URL"),
        ('[default]\nserver = "https://id:secret@registry.example"', "Leave the access key out"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, problem: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    with pytest.raises(CommandError, match=problem) as raised:
        choose(None, None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert raised.value.code == USAGE


def test_a_profile_that_is_not_there_is_said(home: dict[str, str]) -> None:
    with pytest.raises(CommandError, match=r"no profile line-3 .* default, line-2"):
        choose(None, "line-3", home)


@pytest.mark.parametrize(
    ("server", "is_exposed"),
    [
        ("http://127.0.0.1:8420", False),
        ("http://localhost:8420", False),
        ("http://[::1]:8420", False),
        ("https://registry.example", False),
        ("http://registry.example", True),
    ],
)
def test_secrets_are_exposed_only_by_plain_http_to_another_machine(server: str, is_exposed: bool) -> None:  # noqa: FBT001 (a case)
    assert choose(server, None, {"XDG_CONFIG_HOME": os.devnull}).is_exposed is is_exposed


def test_a_profile_does_not_show_its_secret(home: dict[str, str]) -> None:
    assert "default-secret" not in repr(choose(None, None, home))
