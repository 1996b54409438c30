"""Profiles: which server a command talks to, and with which access key."""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from nameplate.cli.ending import misuse

SERVER: Final = "NAMEPLATE_SERVER"
PROFILE: Final = "NAMEPLATE_PROFILE"
KEY_ID: Final = "NAMEPLATE_ACCESS_KEY_ID"
KEY_SECRET: Final = "NAMEPLATE_ACCESS_KEY_SECRET"  # noqa: S105 (a variable's name)
SECURITY_TOKEN: Final = "NAMEPLATE_SECURITY_TOKEN"  # noqa: S105 (a variable's name)
MANIFEST_KEY: Final = "NAMEPLATE_MANIFEST_KEY"

DEFAULT: Final = "default"
LOCAL: Final = "http://127.0.0.1:8420"

_MEMBERS: Final = ("server", "access_key_id", "access_key_secret", "security_token", "manifest_key")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_VISIBLE: Final = re.compile("[!-~]+")
_HERE: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Profile:
    """A server, an access key, and the public key that the server's manifests are verified with."""

    server: str = LOCAL
    access_key_id: str | None = None
    access_key_secret: str | None = field(default=None, repr=False)
    security_token: str | None = field(default=None, repr=False)
    manifest_key: str | None = None

    @property
    def is_exposed(self) -> bool:
        """Whether secrets would cross a network in the clear."""
        address = urlsplit(self.server)
        return address.scheme == "http" and address.hostname not in _HERE


def profiles_path(environment: Mapping[str, str]) -> Path:
    """Return where the profiles are: `~/.config/nameplate/profiles.toml`, or as XDG_CONFIG_HOME says."""
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "nameplate" / "profiles.toml"


def choose(server: str | None, name: str | None, environment: Mapping[str, str]) -> Profile:
    """Return the profile to go by.

    What was given on the command line comes first, a profile that was named second, the environment third, the profile
    `default` last. An access key is taken as a whole, never its id from here and its secret from there.

    Raises CommandError.
    """
    path = profiles_path(environment)
    given = {"server": server} if server else {}
    around = _from_environment(environment)
    kept = _section(path, name or DEFAULT, must_exist=name is not None)
    layers = (given, kept, around) if name else (given, around, kept)
    members = {member: layer[member] for layer in reversed(layers) for member in layer}
    holder = next((layer for layer in layers if "access_key_id" in layer or "access_key_secret" in layer), {})
    for member in ("access_key_id", "access_key_secret", "security_token"):
        members[member] = holder.get(member)
    return _checked(Profile(**members), path)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = (SERVER, KEY_ID, KEY_SECRET, SECURITY_TOKEN, MANIFEST_KEY)
    found = zip(_MEMBERS, map(environment.get, names), strict=True)
    return {member: value for member, value in found if value}


def _section(path: Path, name: str, *, must_exist: bool) -> dict[str, Any]:
    """Return what the file says of one profile."""
    profiles = _read(path)
    if name not in profiles:
        if must_exist:
            known = ", ".join(sorted(profiles)) or "none"
            misuse(f"There is no profile {name} in {path}; it has {known}.")
        return {}
    section = profiles[name]
    if not isinstance(section, dict):
        misuse(f"{path}: {name} is not a profile. Begin it with a line [{name}].")
    for member, value in section.items():
        if member not in _MEMBERS:
            misuse(f"{path}: [{name}] has no {member}; it may have {', '.join(_MEMBERS)}.")
        if not isinstance(value, str) or not value:
            misuse(f"{path}: {member} of [{name}] is not a text. Put it in quotes.")
    return section


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & _OTHERS:
                misuse(f"{path} may be read by others, and has secrets in it. Run: chmod 600 {path}")
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        misuse(f"{path} cannot be read: {error.strerror}.")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # Of TOML's own errors none shows what stands in the file.
        misuse(f"{path} is not TOML: {error}.")


def _checked(profile: Profile, path: Path) -> Profile:
    address = urlsplit(profile.server)
    if address.scheme not in {"http", "https"} or not address.hostname:
        misuse(f"The server {profile.server} is not a URL like {LOCAL}.")
    if address.username or address.password:
        misuse(f"Leave the access key out of the server's URL; put it into {path}.")
    texts = (profile.access_key_id, profile.access_key_secret, profile.security_token)
    if not all(text is None or _VISIBLE.fullmatch(text) for text in texts):
        misuse("The access key has characters that none has. Copy it again, as `nameplate keys create` printed it.")
    if (profile.access_key_id is None) != (profile.access_key_secret is None):
        misuse(f"Half an access key: set both {KEY_ID} and {KEY_SECRET}, or both in {path}.")
    return profile
