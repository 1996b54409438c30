"""`nameplate brokers`: what brokers are told that do not ask, and what is known of connections."""

import os
import signal
import stat
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, Final

import typer

from nameplate.brokers.mosquitto import Drift, Files, Mosquitto
from nameplate.call import Registry
from nameplate.cli.listening import rabbitmq
from nameplate.cli.options import DatabaseUrl, DataDir, fail, opened_registry
from nameplate.logs import say

brokers = typer.Typer(no_args_is_help=True, help="Brokers that devices connect to.")
brokers.command()(rabbitmq)

_SHOWN: Final = 10

Products = Annotated[list[str], typer.Option("--product", help="ProductKey whose devices use plain passwords.")]
Passwords = Annotated[Path, typer.Option(help="Mosquitto's password_file.")]
AccessList = Annotated[Path, typer.Option(help="Mosquitto's acl_file.")]


@brokers.command()
def mosquitto(  # noqa: PLR0913 (an option each)
    product: Products,
    passwords: Passwords,
    access: AccessList,
    pid_file: Annotated[Path | None, typer.Option(help="Mosquitto's pid_file: have it read the files anew.")] = None,
    check: Annotated[bool, typer.Option(help="Write nothing; exit with 1 if the files differ.")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write Mosquitto's password file and access list, show how they differed, and have it read them anew.

    For devices that connect with their names and DeviceSecrets as they are. What else is in the files stays.
    """
    present = Files(_read(passwords), _read(access))
    with opened_registry(data_dir, database_url) as registry:
        _require(registry, product)
        wanted = Mosquitto(registry, product)
        drift = wanted.drift(present)
    _show(wanted, drift)
    if check:
        raise typer.Exit(int(bool(drift)))
    files = wanted.write(present)
    # The access list first: nobody is let in whose topics it does not have.
    _replace(access, files.access)
    _replace(passwords, files.passwords)
    if pid_file is not None:
        _reload(pid_file)


@brokers.command("forget-connections")
def forget_connections(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Take every device for disconnected.

    For after a broker has crashed: it has told of no disconnections. Whoever connects is ONLINE again.
    """
    with opened_registry(data_dir, database_url) as registry:
        count = registry.store.connections.forget_all(registry.clock())
    say(f"{count} devices that were ONLINE are OFFLINE now")


def _require(registry: Registry, keys: list[str]) -> None:
    for key in keys:
        found = registry.store.products.find(key)
        if found is None and not registry.store.products.was_there(key):
            fail(f"There is no product {key}.")
        if found is not None and registry.store.device_access.may_register(found.id):
            # Mosquitto tells nobody who has connected, so they stay as registrable as they were.
            risk = "whoever has its ProductSecret can take these devices over"
            typer.echo(f"warning: {key} has dynamic registration on: {risk}", err=True)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}.")


def _show(wanted: Mosquitto, drift: Drift) -> None:
    for what, names in zip(("missing", "changed", "unwanted"), drift, strict=True):
        if names:
            say(f"{what}: {len(names)} ({_some(names)})")
    if wanted.left_out:
        say(f"left out, since their names have a colon: {len(wanted.left_out)} ({_some(wanted.left_out)})")
    if wanted.rules_left_out:
        rules = ", ".join(map(ascii, wanted.rules_left_out))
        say(f"left out, since Mosquitto's list cannot hold them: the rules {rules}")
    say(f"{wanted.devices} devices may connect; the files {'differed' if drift else 'did not differ'}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the mode and the owner that it had; a new one is its owner's only.

    A link stays one.
    """
    try:
        path = path.resolve()
        descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "wb") as file:
            if path.exists():
                had = path.stat()
                os.fchmod(descriptor, stat.S_IMODE(had.st_mode))
                if os.geteuid() == 0:
                    os.fchown(descriptor, had.st_uid, had.st_gid)
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}.")


def _reload(pid_file: Path) -> None:
    try:
        number = int(pid_file.read_text())
        problem = _doubt(number)
        if problem is None:
            os.kill(number, signal.SIGHUP)
    except (OverflowError, ValueError):
        problem = "no number is in it"
    except OSError as error:
        problem = str(error)
    if problem is not None:
        fail(f"Mosquitto could not be told to read the files anew ({pid_file}): {problem}.")
    say("Mosquitto reads the files anew; it disconnects who may not be connected any more")


def _doubt(number: int) -> str | None:
    """Say why a process is not taken for Mosquitto's, as far as this system tells."""
    processes = Path("/proc")
    # 0 and below are groups of processes; and a file that was left over names somebody else's.
    if number > 0 and not (processes / "self").exists():
        return None
    try:
        is_mosquitto = number > 0 and (processes / str(number) / "comm").read_text() == "mosquitto\n"
    except FileNotFoundError:
        return f"there is no process {number}"
    return None if is_mosquitto else f"process {number} is not Mosquitto's"
