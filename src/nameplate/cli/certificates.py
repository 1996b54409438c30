"""`nameplate ca`: the CA that signs devices' certificates."""

import sys

import typer

from nameplate.cli.options import DatabaseUrl, DataDir, opened_registry

ca = typer.Typer(no_args_is_help=True, help="The CA that signs devices' certificates.")


@ca.callback()
def group() -> None:
    """Keep `show` a command of its own."""


@ca.command("show")
def show_ca(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Print its certificate, as PEM: a broker that is given it can check devices' certificates."""
    with opened_registry(data_dir, database_url) as registry:
        sys.stdout.write(registry.certificates.ca_pem)
