"""The log: a line for each event, for people or as JSON, with named values beside the text."""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson

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


def configure(form: LogFormat, level: LogLevel) -> None:
    """Write the log of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if form is LogFormat.JSON else _TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def values(**named: object) -> Mapping[str, Any]:
    """Return what a logging call takes as `extra`, so that the values stand beside the text.

    Secrets must not be among them.
    """
    return {"values": named}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        named = getattr(record, "values", {})
        parts = [_time(record), record.levelname, record.getMessage()]
        parts += [f"{name}={_plain(value)}" for name, value in named.items()]
        line = " ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _time(record), "level": record.levelname.lower(), "message": record.getMessage()}
        line |= getattr(record, "values", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _plain(value: object) -> str:
    """Write a value so that it can neither end the line nor be taken for another."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else orjson.dumps(text).decode()
