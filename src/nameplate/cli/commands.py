"""Where each command is, and what loads it: one that calls a server need not wait for the server's own modules."""

from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from nameplate.loading import load

_HERE: Final = "On this machine"
_THERE: Final = "On a server"

COMMANDS: Final = {
    "serve": ("serving", "serve", _HERE),
    "worker": ("serving", "worker", _HERE),
    "demo": ("serving", "demo", _HERE),
    "keys": ("keys", "keys", _HERE),
    "db": ("database", "db", _HERE),
    "ca": ("certificates", "ca", _HERE),
    "access": ("access", "access", _HERE),
    "brokers": ("brokers", "brokers", _HERE),
    "products": ("products", "products", _THERE),
    "template": ("exports", "template", _THERE),
    "import": ("imports", "import_file", _THERE),
    "status": ("batches", "status", _THERE),
    "watch": ("batches", "watch", _THERE),
    "apply": ("batches", "apply", _THERE),
    "failed": ("exports", "failed", _THERE),
    "retry": ("batches", "retry", _THERE),
    "cancel": ("batches", "cancel", _THERE),
    "export": ("exports", "export", _THERE),
    "manifest-key": ("verification", "manifest_key", _THERE),
    "verify": ("verification", "verify", _HERE),
}
"""The module of each command, what is in it (a function, or a group of commands), and where it is listed."""


class Commands(TyperGroup):
    """Loads the module of the command that is used, and no other."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # Typer's own context is private  # noqa: ARG002
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002 (likewise)
        """Return a command, or None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, panel = COMMANDS[cmd_name]
        found = getattr(load(f"nameplate.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name, group.rich_help_panel = cmd_name, panel
            return group
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name, rich_help_panel=panel)(found)
        return get_command(alone)
