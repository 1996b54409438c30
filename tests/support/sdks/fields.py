"""The parameters and fields of the vendor's models, and which of them Nameplate does without: `sdk_fields.json`.

A parameter or field is written with its Action and its path, as in `QueryDevice.Data.DeviceInfo.DeviceType`.
"""

import json
import re
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from alibabacloud_iot20180120 import models
from Tea.model import TeaModel

EXCUSES: Final[dict[str, dict[str, str]]] = json.loads(Path(__file__).with_name("sdk_fields.json").read_text())
"""What a model has and Nameplate has not, or the other way round, with the reason."""


def model_paths(model: str) -> set[str]:
    """Return the path of every field of a model of the Python SDK, as on the wire."""
    return paths(_filled(getattr(models, model)).to_map())


def _filled(kind: Any) -> Any:
    """Return a value of a model's attribute, with everything in it: then `to_map` writes every name."""
    if get_origin(kind) is list:
        return [_filled(get_args(kind)[0])]
    if isinstance(kind, type) and issubclass(kind, TeaModel):
        return kind(**{name: _filled(item) for name, item in get_type_hints(vars(kind)["__init__"]).items()})
    return kind()


def paths(value: Any, path: str = "") -> set[str]:
    """Return the path of everything in an answer that has no fields of its own; the items of a list share one."""
    if isinstance(value, list) and value:
        return {below for item in value for below in paths(item, path)}
    if isinstance(value, dict):
        return {below for name, item in value.items() for below in paths(item, f"{path}.{name}".removeprefix("."))}
    return {path}


def lost(sdk: str, action: str) -> frozenset[str]:
    """Return the fields of an operation's answer that an SDK's model has no attribute for."""
    listed = [*EXCUSES["fields that only Nameplate has"], *EXCUSES.get(f"fields that {sdk}'s models lack", {})]
    return frozenset(path.removeprefix(f"{action}.") for path in listed if path.startswith(f"{action}."))


def nest(parameters: dict[str, str]) -> dict[str, Any]:
    """Return parameters as models take them: `Tag.1.TagKey` is a field of the first item of the list Tag."""
    nested: dict[str, Any] = {}
    for name, value in parameters.items():
        if match := re.fullmatch(r"(\w+)\.[0-9]+", name):
            nested.setdefault(match[1], []).append(value)
        elif match := re.fullmatch(r"(\w+)\.([0-9]+)\.(\w+)", name):
            rows = nested.setdefault(match[1], [])
            if len(rows) < int(match[2]):
                rows.append({})
            rows[int(match[2]) - 1][match[3]] = value
        else:
            nested[name] = value
    return nested
