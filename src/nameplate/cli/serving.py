"""`nameplate serve`, `worker` and `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from nameplate import server
from nameplate.cli.options import fail, reporting, takes_settings
from nameplate.logs import say
from nameplate.processes import supervise
from nameplate.settings import Settings

# What is secret comes from the environment: other users of a machine see each other's command lines.
_SHOWN = tuple(name for name, field in Settings.model_fields.items() if "SecretStr" not in str(field.annotation))
_OF_OTHERS = ("metrics_port", "rabbitmq_url")
_OF_A_SERVER = tuple(name for name in _SHOWN if name not in _OF_OTHERS)
_OF_A_WORKER = (
    *("host", "data_dir", "database_url", "workers", "lease", "metrics_port", "log_format", "log_level"),
    *("ca_certificate", "ca_key", "certificate_days"),
)


@takes_settings(*_OF_A_SERVER)
def serve(chosen: Settings) -> None:
    """Serve the API until SIGTERM, with embedded workers."""
    (server.serve if chosen.processes == 1 else supervise)(chosen, say)


@takes_settings(*_OF_A_WORKER)
def worker(chosen: Settings) -> None:
    """Work on batches until SIGTERM, beside a server with the same database."""
    server.work(chosen, say)


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
