"""The command line: a server and what belongs to it on this machine, and what calls a server from anywhere.

Exit codes: 0 done, 1 refused or failed, 2 bad usage.
"""

import typer

from nameplate.cli.commands import Commands

app = typer.Typer(cls=Commands, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)


@app.callback()
def commands() -> None:
    """Make it a group, whose commands are loaded when they are used."""
