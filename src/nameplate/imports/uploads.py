"""Files on their way in: announced, received piece by piece, kept encrypted until they are not needed any more."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from nameplate.call import Call, Registry
from nameplate.domain.file_batch import Application, UploadState
from nameplate.domain.secrets import mint_key
from nameplate.errors import (
    BATCH_HAS_ENDED,
    BATCH_IS_BUSY,
    BATCH_NOT_FOUND,
    NO_CORRECTIONS,
    NOT_A_FILE_BATCH,
    UPLOAD_IS_BUSY,
    UPLOAD_IS_COMPLETE,
    UPLOAD_IS_DAMAGED,
    UPLOAD_IS_ELSEWHERE,
    UPLOAD_IS_GONE,
    UPLOAD_IS_LARGER,
    UPLOAD_IS_SHORTER,
    UPLOAD_OFFSET_DIFFERS,
)
from nameplate.files.layout import Layout
from nameplate.files.vault import DamagedVaultError, Vault
from nameplate.store.file_batches import FileBatch
from nameplate.store.uploads import NewUpload, Upload, key_owner

_NOTED_EVERY: Final = 4 * 2**20


def get_batch(call: Call, batch_id: int) -> FileBatch:
    """Return the caller's batch that comes from a file. Raises BATCH_NOT_FOUND and NOT_A_FILE_BATCH."""
    batch = call.store.file_batches.find(batch_id)
    if batch is not None and batch.account_id == call.account_id:
        return batch
    other = call.store.batches.find(batch_id)
    raise NOT_A_FILE_BATCH() if other is not None and other.account_id == call.account_id else BATCH_NOT_FOUND()


def new_upload(  # noqa: PLR0913 (what is known of a file)
    call: Call,
    batch_id: int,
    product_id: int,
    name: str,
    *,
    number: int = 0,
    size: int | None,
    layout: Layout | None,
    application: Application | None,
) -> NewUpload:
    """Return what is to be kept of a file that is announced, with a new key for its bytes."""
    registry = call.registry
    return NewUpload(
        batch_id=batch_id,
        account_id=call.account_id,
        product_id=product_id,
        name=name,
        size=size,
        layout=orjson.dumps((layout or Layout()).as_json()).decode(),
        key=registry.master.seal(mint_key(), key_owner(batch_id, number)),
        host=socket.gethostname(),
        application=application,
    )


def correct(
    call: Call,
    batch_id: int,
    name: str,
    *,
    size: int | None = None,
    layout: Layout | None = None,
    application: Application | None = None,
) -> Upload:
    """Announce corrections of a batch's failed rows; what was announced before and has not come is forgotten.

    The batch changes when all of them are here: it goes back to CHECK, and with an `application` it is applied at once
    when that has ended. Raises BATCH_IS_BUSY and BATCH_HAS_ENDED.
    """
    batch, latest = get_batch(call, batch_id), _latest(call, batch_id)
    if batch.state in ("CHECK", "CREATE"):
        raise BATCH_IS_BUSY(what="checked" if batch.state == "CHECK" else "created")
    if batch.cancelled_at is not None or not batch.counts.refused:
        raise BATCH_HAS_ENDED(how="cancelled" if batch.cancelled_at is not None else batch.state)
    number = latest.number + (latest.state is not UploadState.RECEIVING)
    if number == latest.number and latest.key is not None:
        vault_of(call.registry, latest).delete()
    new = new_upload(
        call, batch_id, batch.product_id, name, number=number, size=size, layout=layout, application=application
    )
    call.store.uploads.announce_corrections(new, number, call.now())
    return _latest(call, batch_id)


def find(call: Call, batch_id: int, *, corrections: bool = False) -> Upload:
    """Return a batch's file, or its newest corrections, with how many bytes of it are here.

    Raises BATCH_NOT_FOUND, NOT_A_FILE_BATCH and NO_CORRECTIONS.
    """
    get_batch(call, batch_id)
    found = _latest(call, batch_id) if corrections else call.store.uploads.find(batch_id)
    if found is None or (corrections and not found.number):
        raise NO_CORRECTIONS()
    return found


def count_received(registry: Registry, upload: Upload) -> int:
    """Return how many bytes of an upload are here.

    Raises UPLOAD_IS_ELSEWHERE if they are on another host.
    """
    if upload.state is not UploadState.RECEIVING:
        return upload.received
    _require_here(registry, upload)
    return vault_of(registry, upload).received


def path_of(registry: Registry, upload: Upload) -> Path:
    """Return where an upload's bytes are."""
    return registry.files / f"{upload.batch_id}-{upload.number}"


def vault_of(registry: Registry, upload: Upload) -> Vault:
    """Return an upload's bytes. Raises UPLOAD_IS_GONE."""
    return Vault(path_of(registry, upload), key_of(registry, upload), known=upload.received)


def key_of(registry: Registry, upload: Upload) -> bytes:
    """Return the key of an upload's bytes. Raises UPLOAD_IS_GONE."""
    if upload.key is None:
        raise UPLOAD_IS_GONE()
    return registry.master.open(upload.key, key_owner(upload.batch_id, upload.number))


def source(call: Call, batch_id: int, number: int = 0) -> tuple[Callable[[], BinaryIO], Layout]:
    """Return what opens an upload that is kept, and how it is laid out.

    Raises UPLOAD_IS_GONE and UPLOAD_IS_ELSEWHERE; opening raises UPLOAD_IS_DAMAGED.
    """
    get_batch(call, batch_id)
    found = call.store.uploads.find(batch_id, number)
    if found is None:
        raise NO_CORRECTIONS()
    vault = vault_of(call.registry, found)
    _require_here(call.registry, found)

    def open_whole() -> BinaryIO:
        try:
            return vault.open()
        except DamagedVaultError:
            raise UPLOAD_IS_DAMAGED() from None

    return open_whole, Layout.from_json(orjson.loads(found.layout))


class Receiver:
    """Takes the bytes of one upload, in order."""

    def __init__(self, registry: Registry, upload: Upload, vault: Vault) -> None:
        self._registry = registry
        self._upload = upload
        self._vault = vault
        self._noted = upload.received
        self.received = vault.received
        self.is_complete = False

    def append(self, chunk: bytes) -> int:
        """Keep more bytes, and return how many are here; the last one that was announced completes the upload.

        Raises UPLOAD_IS_LARGER, and what `complete` raises.
        """
        size = self._upload.size
        if self.is_complete or (size is not None and self.received + len(chunk) > size):
            raise UPLOAD_IS_LARGER(size=size if size is not None else self.received)
        self.received = self._vault.append(chunk)
        if self.received == size:
            self.complete()
        elif self.received - self._noted >= _NOTED_EVERY:
            self.note()
        return self.received

    def complete(self) -> None:
        """Say that these were all bytes: now the file is read.

        Raises UPLOAD_IS_SHORTER if more were announced, and BATCH_IS_BUSY or BATCH_HAS_ENDED if it is too late for
        corrections.
        """
        size = self._upload.size
        if size is not None and self.received < size:
            raise UPLOAD_IS_SHORTER(received=self.received, size=size)
        self._vault.sync()
        registry, upload = self._registry, self._upload
        registry.store.uploads.complete(upload.batch_id, upload.number, self.received, registry.clock())
        self.is_complete = True
        registry.wake_readers()
        registry.wake()

    def note(self) -> None:
        """Tell everybody how many bytes are here."""
        if self.received != self._noted and not self.is_complete:
            self._vault.sync()
            self._registry.store.uploads.advance(self._upload.batch_id, self._upload.number, self.received)
            self._noted = self.received


@contextmanager
def receiving(call: Call, batch_id: int, offset: int | None, *, corrections: bool = False) -> Iterator[Receiver]:
    """Take the bytes of a batch's file, or of its newest corrections, that come after the first `offset`.

    With None all of it is sent anew. Raises UPLOAD_IS_COMPLETE, UPLOAD_IS_BUSY, UPLOAD_IS_ELSEWHERE,
    UPLOAD_OFFSET_DIFFERS with the right `offset` in its data, and what `find` raises.
    """
    registry = call.registry
    upload = find(call, batch_id, corrections=corrections)
    if upload.state is not UploadState.RECEIVING:
        raise UPLOAD_IS_COMPLETE()
    with _locked(registry, upload):
        vault = vault_of(registry, upload)
        if offset is None:
            vault.delete()
            vault = Vault(path_of(registry, upload), key_of(registry, upload))
        elif upload.received:
            _require_here(registry, upload)
        if offset is not None and offset != vault.received:
            raise UPLOAD_OFFSET_DIFFERS(offset=vault.received, data={"offset": vault.received})
        receiver = Receiver(registry, upload, vault)
        try:
            yield receiver
        finally:
            receiver.note()
            vault.close()


def _latest(call: Call, batch_id: int) -> Upload:
    latest = call.store.uploads.latest(batch_id)
    assert latest is not None
    return latest


def _require_here(registry: Registry, upload: Upload) -> None:
    if not path_of(registry, upload).exists() and upload.host != socket.gethostname():
        raise UPLOAD_IS_ELSEWHERE(host=upload.host, where=registry.files)


@contextmanager
def _locked(registry: Registry, upload: Upload) -> Iterator[None]:
    """Be the only one who writes an upload, on this host or on others that share its files."""
    registry.files.mkdir(mode=0o700, exist_ok=True)
    path = path_of(registry, upload).with_suffix(".lock")
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UPLOAD_IS_BUSY() from None
        yield
    finally:
        os.close(descriptor)


def delete(registry: Registry, upload: Upload) -> None:
    """Delete an upload's bytes, if they are on this host, and the key that they are worth nothing without."""
    vault_of(registry, upload).delete()
    with suppress(FileNotFoundError):
        path_of(registry, upload).with_suffix(".lock").unlink()
    registry.store.uploads.forget(upload)
