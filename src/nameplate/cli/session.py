"""What commands that call a server share: their options, the connection, and how they end."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Final

import typer

from nameplate.cli.ending import FAILED, CommandError, fail
from nameplate.cli.journal import Journal, journal_directory
from nameplate.cli.patience import Patience
from nameplate.cli.plain import plain
from nameplate.cli.problems import ProblemError
from nameplate.cli.profiles import LOCAL, PROFILE, SERVER, Profile, choose
from nameplate.cli.progress import Display, Silence, displayed
from nameplate.cli.remote import Remote

_OPTIONS: Final = (
    Parameter(
        "server",
        Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, typer.Option(help=f"The server's URL, or {SERVER}; else {LOCAL}.")],
    ),
    Parameter(
        "profile",
        Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None, typer.Option(help=f"A profile of ~/.config/nameplate/profiles.toml, or {PROFILE}.")
        ],
    ),
    Parameter(
        "as_json",
        Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")],
    ),
)


@dataclass
class Session:
    """One command: where it calls, how it prints, and how it ends."""

    server: str | None
    profile_name: str | None
    as_json: bool
    go_on: str = ""
    """What somebody who stops it is told to do to go on."""

    _display: Display = field(default_factory=Silence)

    @cached_property
    def profile(self) -> Profile:
        """Return the server and access key to use. Raises CommandError."""
        return choose(self.server, self.profile_name, os.environ)

    def journal(self, *subject: str) -> Journal:
        """Return the journal about something that is being sent to this server with this access key."""
        profile = self.profile
        return Journal(journal_directory(os.environ), (profile.server, profile.access_key_id or "", *subject))

    @contextmanager
    def connected(self) -> Iterator[Remote]:
        """Yield the server. Raises CommandError."""
        if self.profile.is_exposed:
            self.tell(f"Secrets go to {self.profile.server} in the clear. Use https.")
        with closing(Remote(self.profile, Patience(self.tell))) as remote:
            yield remote

    @contextmanager
    def showing(self) -> Iterator[Display]:
        """Yield where progress is shown for as long as this lasts."""
        with displayed(silently=self.as_json) as display:
            self._display = display
            try:
                yield display
            finally:
                self._display = Silence()

    def tell(self, text: str) -> None:
        """Say what happens meanwhile, on standard error."""
        if isinstance(self._display, Silence):
            sys.stderr.write(f"nameplate: {plain(text)}\n")
        else:
            self._display.tell(text)

    def answer(self, value: object, text: str) -> None:
        """Print what was asked for: as JSON, or as text for people."""
        sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False) if self.as_json else text}\n")
        sys.stdout.flush()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End with a message and an exit code, whatever happens, and never with a stack trace."""
        try:
            yield
        except CommandError as error:
            self._explain(error)
            self._stop(error.code)
        except (KeyboardInterrupt, typer.Abort):
            sys.stderr.write("\nnameplate: Stopped.\n")
            self._stop(FAILED)
        except BrokenPipeError:
            # Whoever read the output has gone; what Python still holds of it must not become an error at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except OSError as error:
            fail(f"{error.filename or 'A file'}: {error.strerror or error}.")

    def _explain(self, error: CommandError) -> None:
        if not self.as_json:
            sys.stderr.write(f"nameplate: {plain(str(error))}\n")
            return
        members = error.members if isinstance(error, ProblemError) else {"detail": str(error)}
        sys.stderr.write(f"{json.dumps(members, ensure_ascii=False)}\n")

    def _stop(self, code: int) -> None:
        if self.go_on and not self.as_json:
            sys.stderr.write(f"{self.go_on}\n")
        raise typer.Exit(code)


def with_session(run: Callable[..., None]) -> Callable[..., None]:
    """Make a command of what runs with a session: it has --server, --profile and --json too."""
    own = list(signature(run).parameters.values())[1:]
    parameters = [*(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own), *_OPTIONS]

    @wraps(run)
    def command(**given: Any) -> None:  # noqa: ANN401 (options of many types; Typer checks them)
        server, profile, as_json = (given.pop(option.name) for option in _OPTIONS)
        session = Session(server, profile or os.environ.get(PROFILE), as_json)
        with session.ending():
            run(session, **given)

    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads options from
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command
