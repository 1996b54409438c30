"""How a command ends: 0 done, 1 refused or failed, 2 bad usage; and never with a stack trace."""

import sys
from typing import Final, NoReturn

import typer

FAILED: Final = 1
USAGE: Final = 2


class CommandError(Exception):
    """Why a command cannot go on: what is wrong, where, and what to do. Shown to whoever started it."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


def stop(text: str) -> NoReturn:
    """Give up."""
    raise CommandError(text)


def misuse(text: str) -> NoReturn:
    """Give up because of how the command was called, or of what it was set up with."""
    raise CommandError(text, USAGE)


def fail(text: str, code: int = FAILED) -> NoReturn:
    """End with a message on standard error."""
    sys.stderr.write(f"nameplate: {text}\n")
    raise typer.Exit(code)
