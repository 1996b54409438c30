"""The command line: serve, worker, keys, db, demo.

Exit codes: 0 done, 1 refused or failed, 2 bad usage.
"""

from pathlib import Path
from typing import Annotated

import typer

from nameplate import server
from nameplate.call import NameCheck
from nameplate.cli.brokers import brokers
from nameplate.cli.certificates import ca
from nameplate.cli.database import db
from nameplate.cli.keys import keys
from nameplate.cli.options import (
    DatabaseUrl,
    DataDir,
    Format,
    Lease,
    Level,
    Workers,
    fail,
    option,
    reporting,
    settings,
)
from nameplate.cli.products import products
from nameplate.logs import say
from nameplate.processes import supervise

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
app.add_typer(keys, name="keys")
app.add_typer(db, name="db")
app.add_typer(ca, name="ca")
app.add_typer(products, name="products")
app.add_typer(brokers, name="brokers")


@app.command()
def serve(  # noqa: PLR0913 (a setting each)
    host: Annotated[str | None, option("host")] = None,
    port: Annotated[int | None, option("port")] = None,
    listen_fd: Annotated[int | None, option("listen_fd")] = None,
    processes: Annotated[int | None, option("processes")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    root_access_key_id: Annotated[str | None, option("root_access_key_id")] = None,
    region: Annotated[str | None, option("region")] = None,
    workers: Workers = None,
    lease: Lease = None,
    strict: Annotated[bool | None, option("strict")] = None,
    name_check: Annotated[NameCheck | None, option("name_check")] = None,
    log_format: Format = None,
    log_level: Level = None,
) -> None:
    """Serve the API until SIGTERM, with embedded workers."""
    chosen = settings(**locals())
    with reporting(chosen):
        (server.serve if chosen.processes == 1 else supervise)(chosen, say)


@app.command()
def worker(  # noqa: PLR0913 (a setting each)
    host: Annotated[str | None, option("host")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    workers: Workers = None,
    lease: Lease = None,
    metrics_port: Annotated[int | None, option("metrics_port")] = None,
    log_format: Format = None,
    log_level: Level = None,
) -> None:
    """Work on batches until SIGTERM, beside a server with the same database."""
    chosen = settings(**locals())
    with reporting(chosen):
        server.work(chosen, say)


@app.command()
def demo(
    devices: Annotated[int, typer.Option(help="How many devices to register.", min=1, max=10_000)] = 10_000,
    output: Annotated[Path, typer.Option(help="Where the credentials go.")] = Path("devices.csv"),
) -> None:
    """Register devices with the vendor's own Python SDK on a throw-away server, and write their credentials."""
    with reporting():
        try:
            from nameplate.demo import run  # noqa: PLC0415 (the vendor's SDK is an optional dependency)
        except ImportError:
            fail("The demo needs the vendor's SDK: pip install 'nameplate[demo]'.")
        run(devices, output)
