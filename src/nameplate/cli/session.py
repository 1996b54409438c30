"""What commands that call a server share: their options, the connection, and how they end."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from nameplate.cli.ending import FAILED, CommandError, fail
from nameplate.cli.patience import Patience
from nameplate.cli.plain import plain
from nameplate.cli.problems import ProblemError
from nameplate.cli.profiles import LOCAL, PROFILE, SERVER, Profile, choose
from nameplate.cli.progress import Display, Silence, displayed
from nameplate.cli.remote import Remote

_Given = ParamSpec("_Given")

_OPTIONS: Final[dict[str, Any]] = {
    "server": Annotated[str | None, typer.Option(help=f"The server's URL, or {SERVER}; by default {LOCAL}.")],
    "profile": Annotated[str | None, typer.Option(help="A profile of ~/.config/nameplate/profiles.toml.")],
    "as_json": Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")],
}
_DEFAULTS: Final = {"server": None, "profile": None, "as_json": False}


@dataclass
class Session:
    """One command: where it calls, how it prints, and how somebody goes on if it is stopped."""

    profile: Profile
    as_json: bool
    go_on: str = ""
    """What to do after it was stopped."""

    _display: Display = field(default_factory=Silence)

    @contextmanager
    def connected(self) -> Iterator[Remote]:
        """Yield the server."""
        if self.profile.is_exposed:
            sys.stderr.write(f"nameplate: Secrets go to {self.profile.server} in the clear. Use https.\n")
        with closing(Remote(self.profile, Patience(self.tell))) as remote:
            yield remote

    @contextmanager
    def showing(self) -> Iterator[Display]:
        """Yield where progress is shown for as long as this lasts."""
        with displayed(silently=self.as_json) as self._display:
            try:
                yield self._display
            finally:
                self._display = Silence()

    def tell(self, text: str) -> None:
        """Say what happens meanwhile."""
        if isinstance(self._display, Silence):
            sys.stderr.write(f"nameplate: {plain(text)}\n")
        else:
            self._display.tell(text)

    def answer(self, value: object, text: str) -> None:
        """Print what was asked for: as JSON, or as text for people."""
        sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False) if self.as_json else text}\n")
        sys.stdout.flush()


def with_session(run: Callable[Concatenate[Session, _Given], None]) -> Callable[..., None]:
    """Make a command of what runs with a session: it has --server, --profile and --json, and never a stack trace."""
    own = list(signature(run, eval_str=True).parameters.values())[1:]
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=of) for name, of in _OPTIONS.items()
    ]

    @wraps(run)
    def command(**given: Any) -> None:  # noqa: ANN401 (options of many types; Typer checks them)
        server, profile, as_json = (given.pop(name) for name in _OPTIONS)
        with _ending(as_json=as_json) as hold:
            session = Session(choose(server, profile or os.environ.get(PROFILE), os.environ), as_json)
            hold.append(session)
            run(session, **given)

    parameters = [*(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own), *more]
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads options from
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


@contextmanager
def _ending(*, as_json: bool) -> Iterator[list[Session]]:
    """End with a message and an exit code, whatever happens. What is yielded takes the session, once there is one."""
    hold: list[Session] = []
    try:
        yield hold
    except CommandError as error:
        _explain(error, as_json=as_json)
        _end(error.code, _way_on(hold))
    except KeyboardInterrupt:
        sys.stderr.write("\nnameplate: Stopped.\n")
        _end(FAILED, _way_on(hold))
    except BrokenPipeError:
        # Whoever read the output has gone; what Python still holds of it must not be an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except OSError as error:
        fail(f"{error.filename or 'A file'}: {error.strerror or error}.")


def _explain(error: CommandError, *, as_json: bool) -> None:
    if as_json:
        members = error.members if isinstance(error, ProblemError) else {"detail": str(error)}
        sys.stderr.write(f"{json.dumps(members, ensure_ascii=False)}\n")
    else:
        sys.stderr.write(f"nameplate: {plain(str(error))}\n")


def _way_on(hold: list[Session]) -> str:
    return hold[0].go_on if hold and not hold[0].as_json else ""


def _end(code: int, hint: str) -> None:
    if hint:
        sys.stderr.write(f"{hint}\n")
    raise typer.Exit(code)
