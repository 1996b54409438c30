"""Tags in a device list: a column `tag:KEY` for each, or one column of JSON or of `key=value;key=value`."""

import json
from functools import lru_cache
from typing import Any, Final

import orjson

from nameplate.domain.labels import TAGS_PER_DEVICE, VALUE_LENGTH, is_tag_key, tag_value
from nameplate.files.columns import TAG, TAGS
from nameplate.files.damage import SPREADSHEET_ERRORS
from nameplate.files.rows import Block, Problem
from nameplate.files.text import UNDECODABLE

Tags = dict[str, str]

_KEY_RULE: Final = "A key has 1 to 64 letters, digits and - _ . : @, and is not abc."
_VALUE_RULE: Final = f"A tag's value has at most {VALUE_LENGTH} characters that can be read."
_FORM: Final = 'Write key=value;key=value, or JSON as in {"key": "value"}.'
_REMEMBERED: Final = 4_096


def read_tags(block: Block) -> tuple[list[Tags | None] | None, dict[tuple[str, int], Problem]]:
    """Return the tags of each row (None if the file has no column for them), and the cells that hold none."""
    columns = [column for column in block.columns if column == TAGS or column.startswith(TAG)]
    if not columns:
        return None, {}
    problems = {}
    tags: list[Tags | None] = [None] * len(block.lines)
    for column in columns:
        for at, text in enumerate(block.columns[column]):
            read = _read(column, text) if text else {}
            if isinstance(read, Problem):
                problems[column, at] = read
            elif read:
                tags[at] = {**(tags[at] or {}), **read}
    return tags, problems


@lru_cache(maxsize=_REMEMBERED)
def _read(column: str, text: str) -> Tags | Problem:
    """Return the tags that a cell holds, or what is wrong with it."""
    read = _pairs(text) if column == TAGS else {column.removeprefix(TAG): text}
    if isinstance(read, Problem):
        return read
    if len(read) > TAGS_PER_DEVICE:
        return Problem(f"has {len(read)} tags", f"A device has at most {TAGS_PER_DEVICE}.")
    return _checked(read)


def _pairs(text: str) -> dict[str, Any] | Problem:
    if text.lstrip().startswith("{"):
        try:
            # As it was written: to read a number may be to change it.
            read = json.loads(text, parse_int=str, parse_float=str)
        except (json.JSONDecodeError, RecursionError):
            return Problem("is not JSON", _FORM)
        return read if isinstance(read, dict) else Problem("is not a JSON object", _FORM)
    pairs = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    if not all(equals for _, equals, _ in pairs):
        return Problem("has a tag without =", _FORM)
    read = {key.strip(): value.strip() for key, _, value in pairs}
    return read if len(read) == len(pairs) else Problem("has a tag twice", "Give each tag once.")


def _checked(read: dict[str, Any]) -> Tags | Problem:
    tags = {}
    for key, given in read.items():
        value = tag_value(_as_written(given))
        if not is_tag_key(key):
            return Problem(f"has a tag called {key[:40]!r}", _KEY_RULE)
        if value is None or not _is_readable(value):
            return Problem(f"has a value for {key} that cannot be one", _VALUE_RULE)
        tags[key] = value
    return tags


def _as_written(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a number that was read already, from a list of JSON lines, as a text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_readable(value: str) -> bool:
    return "\0" not in value and UNDECODABLE not in value and value.upper() not in SPREADSHEET_ERRORS


def as_text(tags: Tags) -> str:
    """Return tags as the text of one cell; none are an empty one."""
    return orjson.dumps(tags).decode() if tags else ""
