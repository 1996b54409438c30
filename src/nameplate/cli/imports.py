"""`nameplate import`: a file becomes a batch, its plan is shown, and its devices are created."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nameplate.cli.course import Choice, Course
from nameplate.cli.ending import misuse, stop
from nameplate.cli.events import MOVING
from nameplate.cli.journal import Note
from nameplate.cli.plans import Progress
from nameplate.cli.problems import ProblemError
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session, with_session
from nameplate.cli.uploads import Upload, stamp_of
from nameplate.domain.file_batch import Policy
from nameplate.files.layout import Format

_ENDED: Final = ("ended", "cancelled")
_GONE: Final = 404

PolicyOption = Annotated[
    Policy | None, typer.Option(help="Which rows are created; all-or-nothing, unless the batch had another.")
]
Replaces = Annotated[
    bool,
    typer.Option("--replace-secrets", help="Give devices that exist with other content what the file says."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Create the devices without asking.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is imported: a file, into a product, read in a certain way."""

    path: Path
    product: str
    layout: dict[str, Any]


@with_session
def import_file(  # noqa: PLR0913 (the options of a command)
    session: Session,
    file: Annotated[Path, typer.Argument(help="CSV, XLSX, JSON lines or Parquet; may be gzip or zstd.")],
    product: Annotated[str, typer.Option(help="The key of the product that the devices are of.")],
    policy: PolicyOption = None,
    replace_secrets: Replaces = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be created.")] = False,
    yes: Yes = False,
    detach: Detach = False,
    new: Annotated[bool, typer.Option("--new", help="Do not go on with an earlier import of this file.")] = False,
    format: Annotated[Format | None, typer.Option(help="By default found out, as all that follows is.")] = None,  # noqa: A002 (an option)
    encoding: Annotated[str | None, typer.Option(help="utf-8, utf-16, gbk, … ")] = None,
    delimiter: Annotated[str | None, typer.Option(help="What is between two cells of a CSV.")] = None,
    quote: Annotated[str | None, typer.Option(help="What cells of a CSV are quoted with.")] = None,
    sheet: Annotated[str | None, typer.Option(help="The sheet of an XLSX.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="As in DeviceName=Serial: which header, or number, of the file it is.")
    ] = None,
) -> None:
    """Import a file of devices. Stopped half-way, the same command goes on with it."""
    choice = Choice(policy, replace_secrets, only_plan=plan, is_sure=yes, waits=not detach)
    choice.check(as_json=session.as_json)
    texts = {"encoding": encoding, "delimiter": delimiter, "quote": quote, "sheet": sheet}
    layout = {name: text for name, text in texts.items() if text is not None} | _columns(column or [])
    layout |= {} if format is None else {"format": format.value}
    subject = Subject(file.resolve(), product, layout)
    with session.connected() as remote:
        opening = Opening(session, remote, subject, is_new=new)
        course = Course(session, remote, opening.batch(choice.body() if yes else None))
        opening.send(course.progress)
        if not (yes and detach):
            course.rest()
            course.carry_out(choice)
        opening.close(course.progress)
        course.report()


class Opening:
    """The first part of an import: the batch that it is, new or begun before, and the file on its way."""

    def __init__(self, session: Session, remote: Remote, subject: Subject, *, is_new: bool) -> None:
        self._journal = session.journal(subject.product, str(subject.path), repr(subject.layout))
        self._session = session
        self._remote = remote
        self._subject = subject
        self._stamp = stamp_of(subject.path)
        self._is_new = is_new

    def batch(self, apply: dict[str, Any] | None) -> dict[str, Any]:
        """Return the batch: one that has been begun with this file and has not ended, else a new one."""
        note = self._journal.read()
        if note is not None and not self._is_new:
            if not note.is_of(self._stamp):
                self._session.tell(
                    f"The file has changed since batch {note.batch_id} was begun with it; this is another."
                )
            elif note.batch_id is not None:
                found = self._find(note.batch_id)
                if found is not None:
                    _require_fit(found, apply)
                    self._session.tell(f"Going on with batch {note.batch_id}; --new begins another.")
                    return found
        return self._announce(self._note(note), apply)

    def send(self, progress: Progress) -> None:
        """Send what the server does not have of the file yet."""
        if progress["stage"] != "uploading":
            return
        Upload(self._remote, progress["batch_id"], "file", self._subject.path, self._stamp).send(self._session)

    def close(self, progress: Progress) -> None:
        """Forget about it, once its batch has ended."""
        if progress["stage"] in _ENDED or progress["problem"]:
            self._journal.forget()

    def _note(self, note: Note | None) -> Note:
        """Return the note to announce with; one without a batch was cut short, maybe after the server had got it."""
        if note is None or self._is_new or note.batch_id is not None or not note.is_of(self._stamp):
            return Note.new(self._stamp)
        return note

    def _announce(self, note: Note, apply: dict[str, Any] | None) -> dict[str, Any]:
        is_kept = self._journal.keep(note, self._session.tell)
        body = {"product_key": self._subject.product, "name": self._subject.path.name, "size": self._stamp.size}
        body |= {"layout": self._subject.layout} if self._subject.layout else {}
        body |= {"apply": apply} if apply else {}
        made: dict[str, Any] = self._remote.post("/v1/batches", body, note.key_for(body))
        if is_kept:
            self._journal.keep(replace(note, batch_id=made["batch_id"]), self._session.tell)
        return made

    def _find(self, batch_id: int) -> dict[str, Any] | None:
        """Return a batch that is still to go on, else None."""
        try:
            found: dict[str, Any] = self._remote.get(f"/v1/batches/{batch_id}")
        except ProblemError as error:
            if error.status != _GONE:
                raise
            return None
        return None if found["stage"] in _ENDED or found["problem"] else found


def _require_fit(progress: Progress, apply: dict[str, Any] | None) -> None:
    """Refuse to go on with a batch that would be applied by itself in another way than is said now."""
    begun = {"policy": progress["policy"], "replace_secrets": progress["replaces"]}
    if progress["stage"] in MOVING and progress["policy"] and begun != apply:
        replaces = " --replace-secrets" if progress["replaces"] else ""
        stop(
            f"Batch {progress['batch_id']} was begun with --yes, and creates its devices by itself. "
            f"Go on with: --yes --policy {progress['policy']}{replaces}, or begin another with --new."
        )


def _columns(given: Sequence[str]) -> dict[str, Any]:
    """Read the options --column."""
    pairs = [one.partition("=") for one in given]
    for name, equals, header in pairs:
        if not (name and equals and header):
            misuse(f"--column {name}{equals}{header} is not like DeviceName=Serial.")
    return {"columns": {name: header for name, _, header in pairs}} if pairs else {}
