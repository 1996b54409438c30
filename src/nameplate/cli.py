"""The command line: serve, worker, keys, demo.

Exit codes: 0 done, 1 refused or failed, 2 bad usage.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Column, Table
from typer.models import OptionInfo

from nameplate import server
from nameplate.authentication import TEMPORARY_KEY_PREFIX, TOKEN_LENGTH
from nameplate.call import NameCheck, Registry
from nameplate.data_dir import StartError
from nameplate.domain.access import Role
from nameplate.domain.secrets import mint_text
from nameplate.root_key import ROOT_ACCOUNT, mint_pair
from nameplate.settings import PREFIX, Settings
from nameplate.store.access_keys import KEPT_MS, NewAccessKey

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
keys = typer.Typer(no_args_is_help=True, help="Access keys: who may call.")
app.add_typer(keys, name="keys")

_USAGE: Final = 2
_PIPED_WIDTH: Final = 160
_MOST_SECONDS: Final = 12 * 3600


def _option(name: str) -> OptionInfo:
    field = Settings.model_fields[name]
    option: OptionInfo = typer.Option(
        help=field.description, envvar=f"{PREFIX}{name.upper()}", show_default=str(field.default)
    )
    return option


DataDir = Annotated[Path | None, _option("data_dir")]
DatabaseUrl = Annotated[str | None, _option("database_url")]
Workers = Annotated[int | None, _option("workers")]
Lease = Annotated[float | None, _option("lease")]


@app.command()
def serve(  # noqa: PLR0913 (a setting each)
    host: Annotated[str | None, _option("host")] = None,
    port: Annotated[int | None, _option("port")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    root_access_key_id: Annotated[str | None, _option("root_access_key_id")] = None,
    region: Annotated[str | None, _option("region")] = None,
    workers: Workers = None,
    lease: Lease = None,
    strict: Annotated[bool | None, _option("strict")] = None,
    name_check: Annotated[NameCheck | None, _option("name_check")] = None,
) -> None:
    """Serve the API until SIGTERM, with embedded workers."""
    with _reporting():
        server.serve(_settings(**locals()), _say)


@app.command()
def worker(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    workers: Workers = None,
    lease: Lease = None,
) -> None:
    """Work on batches until SIGTERM, beside a server with the same database."""
    with _reporting():
        server.work(_settings(**locals()), _say)


@app.command()
def demo(
    devices: Annotated[int, typer.Option(help="How many devices to register.", min=1, max=10_000)] = 10_000,
    output: Annotated[Path, typer.Option(help="Where the credentials go.")] = Path("devices.csv"),
) -> None:
    """Register devices with the vendor's own Python SDK on a throw-away server, and write their credentials."""
    with _reporting():
        try:
            from nameplate.demo import run  # noqa: PLC0415 (the vendor's SDK is an optional dependency)
        except ImportError:
            _fail("The demo needs the vendor's SDK: pip install 'nameplate[demo]'.")
        run(devices, output)


@keys.command("list")
def list_keys(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the access keys.

    Secrets are not shown.
    """
    with _registry(data_dir, database_url) as registry:
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
    with _registry(data_dir, database_url) as registry:
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
    with _registry(data_dir, database_url) as registry:
        if not registry.store.access_keys.disable(key_id):
            _fail(f"There is no access key {key_id}. `nameplate keys list` shows them.")
    time.sleep(KEPT_MS / 1000)
    _say(f"{key_id} is disabled")


@contextmanager
def _registry(data_dir: Path | None, database_url: str | None) -> Iterator[Registry]:
    with (
        _reporting(),
        server.open_registry(_settings(data_dir=data_dir, database_url=database_url)) as registry,
    ):
        yield registry


@contextmanager
def _reporting() -> Iterator[None]:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        yield
    except StartError as error:
        _fail(str(error))


def _settings(**given: Any) -> Settings:  # noqa: ANN401 (options of many types; Settings checks them)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0]}".upper()
        # The value itself is not repeated: it may be a secret.
        _fail(f"{name} is not valid: {first['msg']}.", _USAGE)


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(text: str, code: int = 1) -> NoReturn:
    sys.stderr.write(f"nameplate: {text}\n")
    raise typer.Exit(code)
