"""The log: a line for each event, for people or as JSON, with named values beside the text."""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import orjson

_STDERR: Final = 2
_PLAIN: Final = re.compile(r"[!#-<>-~]+")


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    """For people: the time, the level, the text, and name=value for the rest."""

    JSON = "json"
    """For programs: an object."""


class LogLevel(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Render = Callable[[float, int, str, Mapping[str, Any]], str]


class Lines:
    """Lines of which there are many, one for each call.

    Written past `logging`, whose own way costs five times as much.
    """

    def __init__(self, render: Render, least: int) -> None:
        self._render = render
        self._least = least

    def write(self, level: int, message: str, values: Mapping[str, Any]) -> None:
        """Write one line to standard error, if its level is high enough. Secrets must not be among the values."""
        if level >= self._least:
            moment = time.time()  # noqa: TID251 (as `logging` does)
            line = f"{self._render(moment, level, message, values)}\n".encode()
            # A call must not fail because its line cannot be written.
            with suppress(OSError):
                os.write(_STDERR, line)


def configure(form: LogFormat, level: LogLevel) -> None:
    """Write the log of this process to standard error."""
    global lines  # noqa: PLW0603 (as global as `logging` itself)
    render = _render_json if form is LogFormat.JSON else _render_text
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(render))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("alembic", "httpx", "httpcore", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    lines = Lines(render, logging.getLevelNamesMapping()[level.upper()])


def say(text: str) -> None:
    """Write a line for whoever started the program to standard output; it is not part of the log."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Formatter(logging.Formatter):
    """Everything else, as `logging` has it."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        values = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return self._render(record.created, record.levelno, record.getMessage(), values)


def _render_text(moment: float, level: int, message: str, values: Mapping[str, Any]) -> str:
    named = "".join([f" {name}={_plain(value)}" for name, value in values.items() if name != "exception"])
    trace = f"\n{values['exception']}" if "exception" in values else ""
    return f"{_time(moment)} {logging.getLevelName(level)} {message}{named}{trace}"


def _render_json(moment: float, level: int, message: str, values: Mapping[str, Any]) -> str:
    line = {"time": _time(moment), "level": logging.getLevelName(level).lower(), "message": message, **values}
    return orjson.dumps(line, default=str).decode()


def _plain(value: object) -> str:
    """Write a value so that it can neither end the line nor be taken for another."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else orjson.dumps(text).decode()


def _time(moment: float) -> str:
    second, part = divmod(moment, 1)
    return f"{_second(second)}.{int(part * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


lines = Lines(_render_text, logging.WARNING)
"""Where lines are written; as `configure` has it."""
