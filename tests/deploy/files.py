"""What is in deploy/, read the way the tools that use it read it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import dockerfile  # type: ignore[import-not-found]  # the library has no types
import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
PROGRAM: Final = "/opt/nameplate/bin/nameplate"

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\?[^}]*|:-([^}]*))?\}")


def load_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def dump_yaml(value: Any) -> str:
    return str(yaml.safe_dump(value))


def compose(values: Mapping[str, str]) -> dict[str, Any]:
    """The compose file, its variables replaced."""
    found: dict[str, Any] = _interpolate(load_yaml("compose.yaml"), values)
    return found


def required_variables() -> set[str]:
    """The variables that the compose file refuses to do without."""
    return set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()))


def instructions() -> list[tuple[str, tuple[str, ...]]]:
    """The Dockerfile's instructions, in order; words of those in shell form are one."""
    return [(one.cmd.upper(), one.value) for one in dockerfile.parse_file(str(DEPLOY / "Dockerfile"))]


def last_stage() -> list[tuple[str, tuple[str, ...]]]:
    found = instructions()
    begins = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return found[begins:]


def image_environment() -> dict[str, str]:
    """What the image's programs run with."""
    words = next(value for name, value in last_stage() if name == "ENV")
    return dict(zip(words[::2], words[1::2], strict=True))


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a systemd unit, all sections together."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / name).read_text().splitlines():
        setting, is_one, value = line.partition("=")
        if is_one and not line.startswith("#"):
            found.setdefault(setting, []).append(value)
    return found


def units() -> list[str]:
    return sorted(path.name for path in (DEPLOY / "systemd").iterdir())


def commands() -> list[list[str]]:
    """Every way in which deploy/ calls the command line."""
    return list(_commands())


def _commands() -> Iterator[list[str]]:
    yield list(next(value for name, value in last_stage() if name == "CMD"))
    for service in compose(dict.fromkeys(required_variables(), "x"))["services"].values():
        if service["image"] == "nameplate":
            yield service["command"]
    for name in units():
        program, *arguments = shlex.split(unit(name)["ExecStart"][0])
        assert program == PROGRAM
        yield arguments


def dashboard() -> Any:
    return json.loads((DEPLOY / "grafana/nameplate.json").read_text())


def _interpolate(found: Any, values: Mapping[str, str]) -> Any:
    if isinstance(found, dict):
        return {name: _interpolate(value, values) for name, value in found.items()}
    if isinstance(found, list):
        return [_interpolate(value, values) for value in found]
    if isinstance(found, str):
        return _VARIABLE.sub(lambda match: values.get(match[1], match[2] or ""), found)
    return found
