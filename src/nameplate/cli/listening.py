"""`nameplate brokers rabbitmq`: a program beside RabbitMQ, which tells a server who comes and goes there."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from nameplate.brokers.hook_client import HookClient
from nameplate.cli.ending import USAGE
from nameplate.cli.options import fail, option, reporting, settings
from nameplate.cli.profiles import LOCAL, SERVER
from nameplate.logs import say
from nameplate.signals import Stop

_TIMEOUT_SECONDS = 15.0

Url = Annotated[str | None, option("rabbitmq_url")]
ServerUrl = Annotated[str, typer.Option(envvar=SERVER, help="URL of the server to tell.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File with the password there; by default NAMEPLATE_RABBITMQ_PASSWORD.")
]
SecretFile = Annotated[
    Path | None, typer.Option(help="File with the brokers' secret; by default NAMEPLATE_BROKER_SECRET.")
]


def rabbitmq(
    rabbitmq_url: Url = None,
    server: ServerUrl = LOCAL,
    password_file: PasswordFile = None,
    secret_file: SecretFile = None,
) -> None:
    """Tell a server who comes and goes on RabbitMQ, until SIGTERM.

    RabbitMQ needs its plugin rabbitmq_event_exchange. The server may be on another host.
    """
    try:
        from nameplate.brokers.rabbitmq_listener import Listener, ListenError, Place  # noqa: PLC0415 (optional)
    except ImportError:
        fail("To listen to RabbitMQ takes pika: pip install 'nameplate[rabbitmq]'.")
    chosen = settings(rabbitmq_url=rabbitmq_url)
    with reporting(chosen):
        try:
            place = Place.read(chosen.rabbitmq_url)
        except ValueError as error:
            fail(f"NAMEPLATE_RABBITMQ_URL is not valid: {error}.", USAGE)
        password = _secret(password_file, chosen.rabbitmq_password)
        if password is None:
            fail("No password: set NAMEPLATE_RABBITMQ_PASSWORD, or give --password-file.", USAGE)
        if urlsplit(server).scheme not in {"http", "https"}:
            fail(f"The server {server} is not a URL like {LOCAL}.", USAGE)
        client = HookClient(server, _secret(secret_file, chosen.broker_secret), _TIMEOUT_SECONDS)
        try:
            Listener(place, password, client, Stop(), say).run()
        except ListenError as error:
            fail(str(error))


def _secret(path: Path | None, setting: SecretStr | None) -> str | None:
    if path is None:
        return None if setting is None else setting.get_secret_value()
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}.", USAGE)
