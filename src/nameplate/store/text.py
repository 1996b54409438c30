"""Text as callers send it, in a database that cannot store every character."""

import re
from typing import Any, Final

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


class AnyText(TypeDecorator[str]):
    """Text that nothing has looked at: it may hold U+0000, which PostgreSQL refuses, so there it is escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what is to be stored."""
        if value is None or dialect.name != "postgresql":
            return value
        return escape(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ANN401 (the library's type)
        """Undo it."""
        return value if dialect.name != "postgresql" else unescape(value)


def escape(value: str) -> str:
    """Return what a text is stored as."""
    return value.replace("\\", "\\\\").replace("\0", "\\0")


def unescape(value: str | None) -> str | None:
    """Return the text that was stored as `value`."""
    if value is None or "\\" not in value:
        return value
    return _ESCAPE.sub(lambda found: "\0" if found[1] == "0" else found[1], value)
