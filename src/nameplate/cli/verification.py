"""`nameplate verify` and `manifest-key`: whether a file is what a server has delivered, without asking the server."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import pyrage
import typer

from nameplate.cli.ending import misuse, stop
from nameplate.cli.exports import manifest_path
from nameplate.cli.plain import count, plain
from nameplate.cli.profiles import MANIFEST_KEY
from nameplate.cli.session import Session, with_session
from nameplate.files.detection import detect
from nameplate.files.layout import Format, Layout, Open
from nameplate.files.manifest import Manifest
from nameplate.files.reading import read
from nameplate.files.unreadable import UnreadableFileError
from nameplate.files.vault import Vault

_IDENTITY: Final = "AGE-SECRET-KEY-"


@with_session
def manifest_key(session: Session) -> None:
    """Print the public key that a server signs manifests with; keep it where `nameplate verify` runs."""
    with session.connected() as remote:
        answer = remote.get("/v1/manifest-key")
    session.answer(answer, answer["public_key"])


@with_session
def verify(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A file that `nameplate export` wrote, sealed or not.")],
    manifest: Annotated[Path | None, typer.Option(help="Its manifest; by default beside it.")] = None,
    key: Annotated[
        str | None, typer.Option(help=f"The public key to trust, or {MANIFEST_KEY}, or the profile's manifest_key.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(help="The age key file that opens a sealed file: its rows are counted too.")
    ] = None,
) -> None:
    """Check a file against its signed manifest. No server is asked."""
    trusted = key or session.profile.manifest_key
    if trusted is None:
        misuse("No key to trust: say --key. `nameplate manifest-key` prints the server's.")
    try:
        found = Manifest.read((manifest or manifest_path(file)).read_bytes())
    except UnreadableFileError as error:
        stop(f"{manifest or manifest_path(file)}: {error}")
    with file.open("rb") as opened:
        differences = found.differences(opened, trusted)
    if differences:
        stop(f"{file} is not what was signed. {' '.join(differences)}")
    rows = _count(file, found, identity)
    if rows is not None and rows != found.rows:
        stop(f"{file} has {count(rows, 'row')}, the manifest says {found.rows:,}.")
    session.answer({"manifest": asdict(found), "counted_rows": rows}, _describe(file, found, rows))


def _count(file: Path, manifest: Manifest, identity: Path | None) -> int | None:
    """Return how many devices are in a file, None if it is sealed and there is nothing to open it with."""
    if manifest.recipients and identity is None:
        return None
    if not manifest.rows:
        return 0
    with ExitStack() as stack:
        open_: Open = lambda: file.open("rb")  # noqa: E731 (a short one)
        if manifest.recipients and identity is not None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nameplate-")))
            open_ = _opened(file, _identities(identity), directory / "opened")
        try:
            return _rows(open_, file.name, Layout(format=Format(manifest.format)))
        except UnreadableFileError as error:
            stop(f"{file}: {error}")


def _opened(file: Path, identities: Sequence[pyrage.x25519.Identity], path: Path) -> Open:
    """Open a sealed file into one under a key that is nowhere else: no secret gets to the disk."""
    vault = Vault(path, os.urandom(32))
    with vault, file.open("rb") as sealed:
        try:
            pyrage.decrypt_io(sealed, _Appending(vault), identities)
        except pyrage.DecryptError:
            stop(f"{file} is not sealed to any key in the key file.")
    return vault.open


def _identities(path: Path) -> list[pyrage.x25519.Identity]:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith(_IDENTITY)]
    except pyrage.IdentityError:
        found = []
    return found or misuse(f"{path} is not a key file as age-keygen writes it: it has no line {_IDENTITY}….")


def _rows(open_: Open, name: str, layout: Layout) -> int:
    rows = 0
    for good, findings in read(open_, detect(open_, name, layout)):
        rows += len(good) + len({finding.line for finding in findings}.difference(good.lines))
    return rows


class _Appending:
    """What pyrage writes to."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def write(self, data: bytes) -> int:
        """Keep more."""
        self._vault.append(data)
        return len(data)

    def flush(self) -> None:
        """Keep nothing back."""


def _utc(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _describe(file: Path, manifest: Manifest, rows: int | None) -> str:
    source = f"product {manifest.product_key}" if manifest.batch_id is None else f"batch {manifest.batch_id}"
    lines = [
        f"{file} is what was signed: {count(manifest.rows, 'device')} of {source},",
        f"exported by {manifest.access_key_id} of {manifest.account} at {_utc(manifest.created_at)}.",
    ]
    if manifest.recipients:
        lines.append(f"Sealed to {', '.join(manifest.recipients)}.")
    lines.append("Its rows were counted." if rows is not None else "Its rows were not counted: that needs --identity.")
    return "\n".join(plain(line) for line in lines)
