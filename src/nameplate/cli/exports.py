"""`nameplate export`, `failed` and `template`: files that a server makes."""

from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from nameplate.cli.downloads import STDOUT, Download, written
from nameplate.cli.ending import misuse, stop
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session, with_session
from nameplate.files.layout import Format

MANIFEST_SUFFIX: Final = ".manifest.json"

_SEALED: Final = ".age"
_EXPORT: Final = "x-nameplate-export"

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Where it goes, for your eyes only; - is standard output.")
]


@with_session
def export(  # noqa: PLR0913 (the options of a command)
    session: Session,
    output: Output,
    batch: Annotated[int | None, typer.Option(help="The devices of this batch.", min=1)] = None,
    product: Annotated[str | None, typer.Option(help="The devices of the product with this key.")] = None,
    format: Annotated[Format | None, typer.Option(help="By default what the output's name ends with.")] = None,  # noqa: A002 (an option)
    to: Annotated[
        list[str] | None, typer.Option(help="age1…: seal the file to this public key; may be repeated.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Of a product: only devices that are unactive, online, offline or disable.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Of a product: only devices with this tag, KEY=VALUE.")] = None,
) -> None:
    """Export devices with their secrets, and a signed manifest beside the file."""
    query: dict[str, Any] = {"format": _format(output, format).value, "to": to or []}
    if (batch is None) == (product is None):
        misuse("Say which devices: --batch or --product.")
    if batch is not None and (status or tag):
        misuse("--status and --tag choose among a product's devices: use them with --product.")
    if batch is None:
        query |= {"tag": tag or []} | ({"status": status} if status else {})
    place = f"/v1/batches/{batch}/devices" if batch is not None else f"/v1/products/{product}/devices"
    with session.connected() as remote:
        session.go_on = "Nothing is half written. The same command again begins anew."
        delivery = _Delivery(session, remote, output)
        with session.showing() as display:
            Download(remote, place, query).fetch(output, display, delivery.check)
    delivery.report()


@with_session
def failed(
    session: Session,
    batch: Annotated[int, typer.Argument(help="The batch's id.", min=1)],
    output: Output,
) -> None:
    """Write the failed rows of a batch in the file's own format, each with its line and what is wrong."""
    _fetch(session, f"/v1/batches/{batch}/failed", output, {"batch_id": batch})


@with_session
def template(session: Session, output: Output) -> None:
    """Write an empty file to fill in: .csv, .xlsx, .jsonl or .parquet."""
    _fetch(session, f"/v1/templates/{_format(output, None)}", output, {})


def _fetch(session: Session, place: str, output: Path, about: dict[str, Any]) -> None:
    with session.connected() as remote, session.showing() as display:
        Download(remote, place).fetch(output, display)
    if output != STDOUT:
        session.answer({**about, "file": str(output)}, str(output))


class _Delivery:
    """What an export is checked against before it gets its name."""

    def __init__(self, session: Session, remote: Remote, output: Path) -> None:
        self._session = session
        self._remote = remote
        self._output = output
        self._manifest: dict[str, Any] = {}

    def check(self, headers: httpx.Headers, digest: str) -> None:
        """Fetch the manifest and put it beside the file. Raises CommandError if the file is not what it says."""
        answer = self._remote.call("GET", f"/v1/exports/{headers[_EXPORT]}/manifest")
        self._manifest = answer.json()
        if digest != self._manifest["digest"]:
            stop("What arrived is not what the server's manifest describes. Export it again.")
        if self._output != STDOUT:
            with written(manifest_path(self._output)) as file:
                file.write(answer.content)

    def report(self) -> None:
        """Say where it is."""
        if self._output != STDOUT:
            beside = manifest_path(self._output)
            value = {"file": str(self._output), "manifest_file": str(beside), "manifest": self._manifest}
            self._session.answer(value, f"{self._output}\n{beside}")


def manifest_path(path: Path) -> Path:
    """Return where a file's manifest is."""
    return path.with_name(f"{path.name}{MANIFEST_SUFFIX}")


def _format(output: Path, given: Format | None) -> Format:
    if given is not None:
        return given
    suffix = output.with_suffix("").suffix if output.suffix == _SEALED else output.suffix
    try:
        return Format(suffix.removeprefix("."))
    except ValueError:
        known = ", ".join(Format)
        misuse(f"Which format {output} shall have is not clear: say --format, one of {known}.")
