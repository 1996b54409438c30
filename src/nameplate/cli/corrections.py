"""Corrected rows of a batch on their way to a server: stopped half-way, the same command goes on."""

from collections.abc import Mapping
from pathlib import Path

from nameplate.cli.journal import Note
from nameplate.cli.plans import Progress
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session
from nameplate.cli.uploads import Upload, stamp_of


class Corrections:
    """One file of them."""

    def __init__(self, session: Session, remote: Remote, batch_id: int, path: Path) -> None:
        self._session = session
        self._remote = remote
        self._batch_id = batch_id
        self._path = path.resolve()
        self._stamp = stamp_of(self._path)
        self._journal = session.journal("corrections", str(batch_id), str(self._path))

    def send(self, apply: Mapping[str, object] | None) -> Progress:
        """Send what is not there yet, and return how far the batch is then. Raises CommandError and OSError."""
        place = f"/v1/batches/{self._batch_id}"
        body = {"name": self._path.name, "size": self._stamp.size, "apply": apply}
        # Announced twice with one key they are announced once: what has arrived meanwhile is still there.
        self._remote.post(f"{place}/corrections", body, self._note().key_for(body))
        Upload(self._remote, self._batch_id, "corrections", self._path, self._stamp).send(self._session)
        self._journal.forget()
        progress: Progress = self._remote.get(place)
        return progress

    def _note(self) -> Note:
        """Return the note of the command that has begun with this file, or else a new one."""
        note = self._journal.read()
        if note is None or not note.is_of(self._stamp):
            note = Note.new(self._stamp)
            self._journal.keep(note, self._session.tell)
        return note
