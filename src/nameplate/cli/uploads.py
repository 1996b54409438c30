"""Files on their way to a server, in pieces, so that nothing is sent twice when a connection breaks."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from nameplate.cli.ending import stop
from nameplate.cli.journal import Stamp
from nameplate.cli.plans import Progress
from nameplate.cli.problems import ProblemError
from nameplate.cli.remote import Remote

PIECE: Final = 8 * 1024 * 1024
"""What one request carries: as much as a proxy set up for the signed API lets through."""

_CHUNK: Final = 256 * 1024
_TYPE: Final = "application/offset+octet-stream"
_DISPLACED: Final = "UploadDisplaced"


class Upload:
    """The file of one batch."""

    def __init__(self, remote: Remote, batch_id: int, path: Path, stamp: Stamp) -> None:
        self._remote = remote
        self._place = f"/v1/batches/{batch_id}/file"
        self._batch_id = batch_id
        self._path = path
        self._stamp = stamp

    def send(self, told: Callable[[int], None]) -> None:
        """Send what is not there yet, saying after each piece how much is. Raises CommandError and OSError."""
        received = self._received()
        with self._path.open("rb") as file:
            while received < self._stamp.size:
                told(received)
                file.seek(received)
                piece = file.read(PIECE)
                self._check_unchanged()
                received = self._append(piece, received)
        told(received)

    def _received(self) -> int:
        headers = self._remote.call("HEAD", self._place).headers
        if headers.get("upload-complete") == "?1":
            return self._stamp.size
        return int(headers["upload-offset"])

    def _append(self, piece: bytes, offset: int) -> int:
        """Send one piece and return how much is there then."""
        headers = {"content-type": _TYPE, "upload-offset": str(offset)}
        try:
            self._remote.call("PATCH", self._place, content=piece, headers=headers)
        except ProblemError as error:
            # An answer may have been lost, and more be there than we know of.
            received = offset if error.name == _DISPLACED else self._received()
            if received == offset:
                raise
            return received
        return offset + len(piece)

    def _check_unchanged(self) -> None:
        if Stamp.of(self._path) != self._stamp:
            message = (
                f"{self._path} has changed while it was sent; batch {self._batch_id} has a part of what it was. "
                "Import it again once it stays as it is."
            )
            stop(message)


class Corrections:
    """Corrected rows of a batch, sent as a whole."""

    def __init__(self, remote: Remote, batch: Progress, path: Path) -> None:
        self._remote = remote
        self._batch = batch
        self._place = f"/v1/batches/{batch['batch_id']}"
        self._path = path

    def send(self, apply: Mapping[str, object]) -> Progress:
        """Send them, and return how far the batch is then. Raises CommandError and OSError."""
        query = {"name": self._path.name, **apply}
        while True:
            with self._remote.trying(), self._path.open("rb") as file:
                # An answer may have been lost: then they are there, and the batch has moved.
                progress: Progress = self._remote.get(self._place)
                if progress["moved_at"] != self._batch["moved_at"]:
                    return progress
                pieces = iter(partial(file.read, _CHUNK), b"")
                with self._remote.opened("PUT", f"{self._place}/corrections", params=query, content=pieces) as answer:
                    answer.read()
                    return answer.json()  # type: ignore[no-any-return]  # httpx takes JSON for anything
