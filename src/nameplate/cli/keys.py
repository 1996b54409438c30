"""`nameplate keys`: access keys, who may call."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from nameplate.authentication import TEMPORARY_KEY_PREFIX, TOKEN_LENGTH
from nameplate.cli.options import DatabaseUrl, DataDir, fail, opened_registry, reporting, settings
from nameplate.data_dir import MASTER_KEY_FILE
from nameplate.domain.access import Role
from nameplate.domain.secrets import mint_text
from nameplate.logs import say
from nameplate.root_key import ROOT_ACCOUNT, mint_pair
from nameplate.rotation import rotate_master
from nameplate.store.access_keys import KEPT_MS, NewAccessKey

keys = typer.Typer(no_args_is_help=True, help="Access keys: who may call.")

_PIPED_WIDTH: Final = 160
_MOST_SECONDS: Final = 12 * 3600


@keys.command("list")
def list_keys(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access keys.

    Secrets are not shown.
    """
    with opened_registry(data_dir, database_url) as registry:
        rows = [
            {
                "id": key.id,
                "account": key.account,
                "role": key.role.value,
                "state": "active" if key.is_active else "disabled",
                "expires": "" if key.expires_at is None else _time(key.expires_at),
                "created": _time(key.created_at),
            }
            for key in registry.store.access_keys.list()
        ]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    # An id that is cut short cannot be copied.
    widest = max((len(row["id"]) for row in rows), default=0)
    table = Table(
        Column("id", min_width=widest, no_wrap=True),
        "account",
        "role",
        "state",
        "expires",
        "created",
        box=None,
        pad_edge=False,
    )
    for row in rows:
        table.add_row(*row.values())
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)


@keys.command("create")
def create_key(
    role: Annotated[Role, typer.Option(help="What the key may do.")],
    account: Annotated[str, typer.Option(help="Whose it is; made if there is none of this name.")] = ROOT_ACCOUNT,
    temporary: Annotated[
        int | None,
        typer.Option(
            help="Seconds after which it ends; such a key has a SecurityToken.",
            min=1,
            max=_MOST_SECONDS,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an access key and print it, once, as JSON."""
    with opened_registry(data_dir, database_url) as registry:
        now = registry.clock()
        key_id, secret = mint_pair() if temporary is None else mint_pair(TEMPORARY_KEY_PREFIX)
        token = None if temporary is None else mint_text(TOKEN_LENGTH)
        expires_at = None if temporary is None else now + temporary * 1000
        new = NewAccessKey(key_id, secret, account, role, token, expires_at)
        registry.store.access_keys.put(new, registry.master, now)
    shown = {
        "AccessKeyId": key_id,
        "AccessKeySecret": secret,
        "Account": account,
        "Role": role.value,
    }
    if token is not None and expires_at is not None:
        shown |= {"SecurityToken": token, "Expires": _time(expires_at)}
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")


@keys.command("disable")
def disable_key(
    key_id: Annotated[str, typer.Argument(help="The AccessKeyId.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Stop an access key from being used; done when every server has taken notice."""
    with opened_registry(data_dir, database_url) as registry:
        if not registry.store.access_keys.disable(key_id):
            fail(f"There is no access key {key_id}. `nameplate keys list` shows them.")
    time.sleep(KEPT_MS / 1000)
    say(f"{key_id} is disabled")


@keys.command("rotate-master")
def rotate_master_key(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Seal every secret under a new master key.

    Stop every server and worker first, and give each of their hosts the new key before they start again. The key comes
    from NAMEPLATE_NEW_MASTER_KEY; without it one is minted and replaces the one in the data directory.
    """
    chosen = settings(data_dir=data_dir, database_url=database_url)
    with reporting(chosen):
        count = rotate_master(chosen)
    where = "NAMEPLATE_NEW_MASTER_KEY" if chosen.new_master_key else chosen.data_dir / MASTER_KEY_FILE
    say(f"{count} values are sealed under the key in {where} now; devices, keys and ids are what they were")


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
