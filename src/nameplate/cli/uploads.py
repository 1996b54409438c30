"""Files on their way to a server, in pieces, so that nothing is sent twice when a connection breaks."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from nameplate.cli.ending import misuse, stop
from nameplate.cli.journal import Stamp
from nameplate.cli.measures import Pace
from nameplate.cli.problems import ProblemError
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session

PIECE: Final = 8 * 1024 * 1024
"""What one request carries: as much as a proxy set up for the signed API lets through."""

_TYPE: Final = "application/offset+octet-stream"
_DISPLACED: Final = "UploadDisplaced"


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file that can be sent piece by piece. Raises CommandError and OSError."""
    stamp = Stamp.of(path)
    if not path.is_file():
        misuse(f"{path} is not a file. What comes from a pipe cannot be resumed: write it to one.")
    if not stamp.size:
        stop(f"{path} is empty.")
    return stamp


class Upload:
    """A file of one batch, at one place below it: its own, or corrections."""

    def __init__(self, remote: Remote, batch_id: int, place: str, path: Path, stamp: Stamp) -> None:
        self._remote = remote
        self._place = f"/v1/batches/{batch_id}/{place}"
        self._batch_id = batch_id
        self._path = path
        self._stamp = stamp

    def send(self, session: Session) -> None:
        """Send what is not there yet, showing how much is. Raises CommandError and OSError."""
        session.go_on = "The same command again goes on from here."
        pace = Pace(self._stamp.size)
        with session.showing() as display:
            self._send(lambda received: display.show(pace.at(received)))

    def _send(self, told: Callable[[int], None]) -> None:
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
                "Give the command again once it stays as it is."
            )
            stop(message)
