"""Which file is being imported as which batch, so that the same command, given again, goes on with it.

The note is written before the server is asked for a batch, with the Idempotency-Key to ask with: whenever a command is
killed, the next one finds the same batch.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells whether a file is still the one that it was."""

    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return a file's stamp. Raises OSError."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Note:
    """One import that has begun: the file's stamp then, the key to ask for its batch with, and its batch."""

    key: str
    size: int
    modified: int
    batch_id: int | None = None

    @classmethod
    def new(cls, stamp: Stamp) -> Self:
        """Return a note for an import that begins now."""
        return cls(secrets.token_hex(16), stamp.size, stamp.modified)

    def key_for(self, body: object) -> str:
        """Return the key to ask for the batch with: one for each way of asking."""
        return sha256(f"{self.key} {json.dumps(body, sort_keys=True)}".encode()).hexdigest()[:32]

    def is_of(self, stamp: Stamp) -> bool:
        """Whether the file has not changed since."""
        return (self.size, self.modified) == (stamp.size, stamp.modified)


class Journal:
    """The note about one file, into one product of one account on one server."""

    def __init__(self, directory: Path, subject: tuple[str, ...]) -> None:
        self._path = directory / f"{sha256(json.dumps(subject).encode()).hexdigest()[:32]}.json"

    def read(self) -> Note | None:
        """Return the note, or None if there is none that can be read."""
        try:
            return Note(**json.loads(self._path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, note: Note) -> None:
        """Keep a note; it replaces the one before as a whole. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(note)))
        draft.replace(self._path)

    def keep(self, note: Note, tell: Callable[[str], object]) -> bool:
        """Write a note down, or tell that it cannot be; without it a file is sent, but cannot be gone on with."""
        try:
            self.write(note)
        except OSError as error:
            tell(f"{error.filename}: {error.strerror}. If it is stopped, this import cannot be resumed.")
            return False
        return True

    def forget(self) -> None:
        """Drop the note: the batch has ended."""
        with suppress(OSError):
            self._path.unlink()


def journal_directory(environment: Mapping[str, str]) -> Path:
    """Return where the notes are: `~/.local/state/nameplate/imports`, or as XDG_STATE_HOME says."""
    home = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "nameplate" / "imports"
