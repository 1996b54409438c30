"""`nameplate db`: the database's schema."""

from collections.abc import Callable

import typer

from nameplate.cli.options import DatabaseUrl, DataDir, reporting, settings
from nameplate.data_dir import StartError, prepare
from nameplate.data_dir import database_url as url_of
from nameplate.logs import say
from nameplate.settings import Settings
from nameplate.store.database import UnusableDatabaseError
from nameplate.store.store import check_schema, skip_numbers, upgrade_schema

db = typer.Typer(no_args_is_help=True, help="The database's schema.")


@db.command()
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the schema up to date. Do it before the first start on PostgreSQL, and after each new version."""
    with reporting():
        chosen = settings(data_dir=data_dir, database_url=database_url)
        prepare(chosen)
        say(f"{_reported(upgrade_schema, chosen)} is up to date")


@db.command()
def check(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Say whether the schema is up to date; exit with 1 if it is not."""
    with reporting():
        chosen = settings(data_dir=data_dir, database_url=database_url)
        say(f"{_reported(check_schema, chosen)} is up to date")


@db.command()
def restored(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Run once after restoring a backup, before anything is started.

    Devices registered since the backup was made are gone from the database, and may be in the field all the same.
    Without this their ids, and with them their secrets, would be given to new devices.
    """
    with reporting():
        chosen = settings(data_dir=data_dir, database_url=database_url)
        say(f"{_reported(skip_numbers, chosen)} will not hand out again what it may have handed out since")


def _reported(work: Callable[[str], str], chosen: Settings) -> str:
    try:
        return work(url_of(chosen))
    except UnusableDatabaseError as error:
        raise StartError(str(error)) from None
