"""What the commands share: options that are settings, and how a command ends.

Exit codes: 0 done, 1 refused or failed, 2 bad usage.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.models import OptionInfo

from nameplate import logs, server
from nameplate.call import Registry
from nameplate.cli.ending import USAGE, fail
from nameplate.data_dir import StartError
from nameplate.settings import PREFIX, Settings

__all__ = ["DataDir", "DatabaseUrl", "fail", "opened_registry", "option", "reporting", "settings", "takes_settings"]


def option(name: str) -> OptionInfo:
    """Return the command-line option for a setting."""
    field = Settings.model_fields[name]
    made: OptionInfo = typer.Option(
        help=field.description, envvar=f"{PREFIX}{name.upper()}", show_default=str(field.default)
    )
    return made


DataDir = Annotated[Path | None, option("data_dir")]
DatabaseUrl = Annotated[str | None, option("database_url")]


def takes_settings(*names: str) -> Callable[[Callable[[Settings], None]], Callable[..., None]]:
    """Make a command of what runs with settings: it has an option for each of these, of the setting's own type."""
    annotations = {name: Annotated[Settings.model_fields[name].annotation | None, option(name)] for name in names}  # type: ignore[operator]  # an annotation is a type, which its stubs do not say
    options = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=of) for name, of in annotations.items()]

    def decorate(run: Callable[[Settings], None]) -> Callable[..., None]:
        @wraps(run)
        def command(**given: object) -> None:
            chosen = settings(**given)
            with reporting(chosen):
                run(chosen)

        command.__signature__ = Signature(options)  # type: ignore[attr-defined]  # what Typer reads options from
        command.__annotations__ = annotations
        return command

    return decorate


@contextmanager
def opened_registry(data_dir: Path | None, database_url: str | None) -> Iterator[Registry]:
    """Open the registry that options and the environment name."""
    with (
        reporting(),
        server.open_registry(settings(data_dir=data_dir, database_url=database_url)) as registry,
    ):
        yield registry


@contextmanager
def reporting(chosen: Settings | None = None) -> Iterator[None]:
    """Log as the settings say, and end with a message instead of a stack trace if Nameplate cannot start."""
    chosen = chosen or settings()
    logs.configure(chosen.log_format, chosen.log_level)
    try:
        yield
    except StartError as error:
        fail(str(error))


def settings(**given: Any) -> Settings:  # noqa: ANN401 (options of many types; Settings checks them)
    """Return the settings that options and the environment give; end with a message if one is not valid."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0]}".upper()
        # The value itself is not repeated: it may be a secret.
        fail(f"{name} is not valid: {first['msg']}.", USAGE)
