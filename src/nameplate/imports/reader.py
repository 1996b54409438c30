"""Has uploaded files read: waits for them, runs a process for one at a time, and keeps the pieces that it tells."""

import logging
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final
from uuid import uuid4

import orjson

from nameplate.call import Registry
from nameplate.domain.batch import CERTIFICATES_PER_CALL, ROWS_PER_PART, State
from nameplate.domain.file_batch import FindingKind
from nameplate.domain.product import AuthType
from nameplate.imports import uploads
from nameplate.imports.reading_order import BLOBS, Order, write_order
from nameplate.loading import program
from nameplate.refusal import RefusedError
from nameplate.settings import Settings
from nameplate.store.database import retried
from nameplate.store.devices import SECRET_OWNER
from nameplate.store.findings import StoredFinding
from nameplate.store.packed import pack
from nameplate.store.pieces import NewPart, Piece
from nameplate.store.uploads import ReadingLostError, Upload

_PROGRAM: Final = program("nameplate.imports.reading", "main")
_POLL_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 1.0
_MOST_DEATHS: Final = 10
_WAITING: Final = (State.CHECK, State.CHECK_SUCCESS, State.CHECK_FAILED)
_DAY: Final = 86_400_000
_NAMES_AT_ONCE: Final = 4
_TEXTS: Final = ("names", "nicknames", "sns", "tags")
_DIED: Final = "The process that reads it has died {} times at the same place. Send the file in another format."

_log = logging.getLogger(__name__)


class Readers:
    """A thread that has files read, and deletes those that nothing needs any more."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._uploads = registry.store.uploads
        self._settings = settings
        self._lease = int(settings.lease * 1000)
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="reader")

    def start(self) -> None:
        """Start to look for files."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a file has come, or that a batch was cancelled."""
        self._woken.set()

    def stop(self) -> None:
        """End a reading that is under way, to be begun again later, and return when it has ended."""
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.kill()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                worked = self.work()
            except RefusedError as refused:
                _log.warning("The database cannot be used: %s. Trying again in %s s.", refused.reason, _RETRY_SECONDS)
                self._stopped.wait(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 (a file that cannot be read must not end the reader)
                _log.exception("A file could not be read; trying again in %s s.", _RETRY_SECONDS)
                self._stopped.wait(_RETRY_SECONDS)
            else:
                if not worked:
                    self._woken.wait(_POLL_SECONDS)
                    self._woken.clear()

    def work(self) -> bool:
        """Have one file read that waits, or delete what nothing needs; False if there was nothing to do."""
        now = self._registry.clock()
        for upload in self._uploads.waiting(now):
            # One that is on another host is for that one's server.
            if not uploads.path_of(self._registry, upload).exists():
                continue
            owner = f"{socket.gethostname()}:{uuid4().hex}"
            if self._uploads.claim(upload, owner, now, now + self._lease):
                self._have_read(upload, owner)
                return True
        return self._sweep(now)

    def _have_read(self, upload: Upload, owner: str) -> None:
        deaths, pieces = 0, upload.pieces
        try:
            while not self._stopped.is_set() and not self._read(upload, owner):
                found = self._uploads.find(upload.batch_id, upload.number)
                assert found is not None
                deaths = deaths + 1 if found.pieces == pieces else 1
                upload, pieces = found, found.pieces
                _log.warning("The reader of batch %d has died; the file is read again.", upload.batch_id)
                if deaths == _MOST_DEATHS:
                    self._uploads.fail(upload, owner, _DIED.format(deaths), self._registry.clock())
                    return
            if self._stopped.is_set():
                with suppress(ReadingLostError):
                    self._uploads.release(upload, owner)
        except ReadingLostError:
            _log.warning("The file of batch %d was taken over, or its batch cancelled.", upload.batch_id)

    def _read(self, upload: Upload, owner: str) -> bool:
        """Have a file read to its end; False if its process has died on the way. Raises ReadingLostError."""
        number = 0
        with self.running(upload) as told:
            for header in told:
                now = self._registry.clock()
                match header["kind"]:
                    case "piece":
                        if number >= upload.pieces:
                            self._keep(upload, owner, number, header)
                        number += 1
                    case "layout":
                        layout = orjson.dumps(header["layout"]).decode()
                        self._uploads.hold(upload, owner, layout=layout, leased_until=now + self._lease)
                    case "beat":
                        self._uploads.hold(upload, owner, leased_until=now + self._lease)
                    case "unreadable":
                        self._uploads.fail(upload, owner, header["problem"], now)
                        return True
                    case "end":
                        self._finish(upload, owner)
                        return True
        return self._stopped.is_set()

    def _finish(self, upload: Upload, owner: str) -> None:
        most = self._registry.limits.devices
        retried(lambda: self._uploads.finish(upload, owner, self._registry.clock(), most))
        self._registry.wake()

    def _keep(self, upload: Upload, owner: str, number: int, header: dict[str, Any]) -> None:
        blobs: dict[str, bytes] = header["blobs"]
        part = None
        if blobs:
            packed = {name: pack(blobs[name]) for name in _TEXTS if name in blobs}
            part = NewPart(header["first"], header["rows"], lines=blobs["lines"], sealed=blobs.get("sealed"), **packed)
        findings = [
            StoredFinding(line, place, FindingKind.ILLEGAL, None, *more) for line, place, *more in header["findings"]
        ]
        piece = Piece(number, header["rows_read"], findings, part)

        def keep() -> None:
            now = self._registry.clock()
            self._registry.store.pieces.keep(upload, owner, now + self._lease, piece, now)

        retried(keep)
        if part is not None:
            self._registry.wake()

    @contextmanager
    def running(self, upload: Upload) -> Iterator[Iterator[dict[str, Any]]]:
        """Run a process that reads a file; yields what it tells, and ends it."""
        order, lines = self.order(upload)
        pipe = subprocess.PIPE
        with self._lock:
            if self._stopped.is_set():
                yield iter(())
                return
            process = self._process = subprocess.Popen(_PROGRAM, stdin=pipe, stdout=pipe)  # noqa: S603 (our own)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(write_order(order, lines))
                process.stdin.flush()
            yield heard(process.stdout)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()

    def order(self, upload: Upload) -> tuple[Order, set[int] | None]:
        """Return how an upload is to be read, and which lines of it if not all."""
        registry = self._registry
        first = self._uploads.find(upload.batch_id)
        assert first is not None
        lines = registry.store.pieces.lines(upload) if upload.number else None
        columns = orjson.loads(first.layout).get("columns") if upload.number else None
        order = Order(
            path=str(uploads.path_of(registry, upload)),
            key=uploads.key_of(registry, upload).hex(),
            received=upload.received,
            name=upload.name,
            layout=orjson.loads(upload.layout),
            columns=columns,
            batch_id=upload.batch_id,
            first=upload.first,
            rows_per_part=CERTIFICATES_PER_CALL if upload.auth_type == AuthType.X509 else ROWS_PER_PART,
            memory=self._settings.reader_memory * 2**20,
            directory=str(registry.files),
            master_key=registry.master.present.hex(),
            secret_owner=SECRET_OWNER,
            is_correction=bool(upload.number),
            lines=len(lines or ()),
        )
        return order, lines

    def _sweep(self, now: int) -> bool:
        """Delete files that nothing needs any more, and the names of their rows, a few at a time."""
        for upload in self._uploads.over(now - self._settings.keep_files * _DAY):
            if not self._is_here(upload):
                continue
            batch = self._registry.store.file_batches.find(upload.batch_id)
            if batch is not None and batch.state in _WAITING and not upload.number:
                # It was never sent as a whole, or never applied.
                self._registry.store.file_batches.cancel(upload.batch_id, now)
            while self._uploads.forget_names(upload.batch_id, _NAMES_AT_ONCE):
                if self._stopped.is_set():
                    return False
            uploads.delete(self._registry, upload)
            return True
        return False

    def _is_here(self, upload: Upload) -> bool:
        return upload.host == socket.gethostname() or uploads.path_of(self._registry, upload).exists()


def heard(out: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what a reading process tells, until it ends."""
    while line := out.readline():
        if not line.endswith(b"\n"):
            return
        header = orjson.loads(line)
        blobs = {name: out.read(header["sizes"][name]) for name in BLOBS if name in header["sizes"]}
        if any(len(blob) != header["sizes"][name] for name, blob in blobs.items()):
            return
        yield {**header, "blobs": blobs}
