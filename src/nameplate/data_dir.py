"""The data directory: the database's place, and files that hold keys, readable by their owner only."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from nameplate.domain.secrets import KEY_BYTES, MasterKey, WrongMasterKeyError, mint_key
from nameplate.settings import Settings
from nameplate.store.installation import Installation

MASTER_KEY_FILE: Final = "master.key"
NEW_MASTER_KEY_FILE: Final = "master.key.new"
ROOT_KEY_FILE: Final = "root-access-key"
FILES: Final = "files"
"""The directory of uploaded files, encrypted."""

_HEX_KEY: Final = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


class StartError(Exception):
    """Nameplate cannot start; the message says why and what to do."""


def prepare(settings: Settings) -> None:
    """Make the data directory, for its owner only, if there is none."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"The data directory {settings.data_dir} cannot be made: {error.strerror}."
        raise StartError(message) from None


def database_url(settings: Settings) -> str:
    """Return the database to use: the configured one, or a SQLite file in the data directory."""
    return settings.database_url or f"sqlite:///{(settings.data_dir / 'nameplate.db').absolute()}"


def master_key(settings: Settings, installation: Installation) -> tuple[MasterKey, bytes]:
    """Return the master key and the key of IotIds that it opens.

    The key comes from the environment or from its file, which is made at the first start. Raises StartError if it is
    missing or is not the one that this installation was sealed with.
    """
    with suppress(WrongMasterKeyError):
        return _open(_find_master_key(settings, may_mint=installation.is_new), installation)
    staged = settings.data_dir / NEW_MASTER_KEY_FILE
    if not settings.master_key and staged.exists():
        with suppress(WrongMasterKeyError):
            opened = _open(_read_key(staged.read_text(), str(staged)), installation)
            # A rotation has ended in the database and was stopped before it ended here.
            adopt_new_key(settings)
            return opened
    where = "NAMEPLATE_MASTER_KEY" if settings.master_key else settings.data_dir / MASTER_KEY_FILE
    message = f"The master key in {where} is not the one this database was sealed with. Give the right one back."
    raise StartError(message)


def read_master_key(settings: Settings) -> bytes:
    """Return the master key of an installation that there is. Raises StartError."""
    return _find_master_key(settings, may_mint=False)


def stage_new_key(settings: Settings) -> bytes:
    """Return the master key to rotate to: the configured one, or one that is kept in a file beside the present one.

    Raises StartError.
    """
    if settings.new_master_key is not None:
        return _read_key(settings.new_master_key.get_secret_value(), "NAMEPLATE_NEW_MASTER_KEY")
    if settings.master_key is not None:
        message = "The master key is in NAMEPLATE_MASTER_KEY, so give the new one in NAMEPLATE_NEW_MASTER_KEY."
        raise StartError(message)
    key, path = mint_key(), settings.data_dir / NEW_MASTER_KEY_FILE
    # One that is there was never used: a rotation that failed left it.
    path.unlink(missing_ok=True)
    write_private(path, key.hex() + "\n")
    return key


def adopt_new_key(settings: Settings) -> None:
    """Make the staged master key the present one, unless another process has done so."""
    with suppress(FileNotFoundError):
        (settings.data_dir / NEW_MASTER_KEY_FILE).replace(settings.data_dir / MASTER_KEY_FILE)
    _sync(settings.data_dir)


@contextmanager
def alone_with_keys(settings: Settings) -> Iterator[None]:
    """Keep others from staging a master key in this data directory.

    Raises StartError if another process is doing so.
    """
    prepare(settings)
    descriptor = os.open(settings.data_dir, os.O_RDONLY)
    try:
        # Let go when the process ends, however it does.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        message = f"Another rotation of the master key in {settings.data_dir} is running. Wait for its end."
        raise StartError(message) from None
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner can read: whole and on disk under its name, or not at all."""
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link fails if another process was first.
        Path(path).hardlink_to(name)
    finally:
        Path(name).unlink()
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(key: bytes, installation: Installation) -> tuple[MasterKey, bytes]:
    previous = installation.previous_master_key(MasterKey(key))
    master = MasterKey(key, previous)
    return master, installation.iot_id_key(master)


def _find_master_key(settings: Settings, *, may_mint: bool) -> bytes:
    path = settings.data_dir / MASTER_KEY_FILE
    if settings.master_key is not None:
        return _read_key(settings.master_key.get_secret_value(), "NAMEPLATE_MASTER_KEY")
    if path.exists():
        return _read_key(path.read_text(), str(path))
    if not may_mint:
        message = f"{path}, the master key of this database, is not there. Put it back, or set NAMEPLATE_MASTER_KEY."
        raise StartError(message)
    key = mint_key()
    write_private(path, key.hex() + "\n")
    return key


def _read_key(text: str, where: str) -> bytes:
    if _HEX_KEY.fullmatch(text.strip()) is None:
        message = f"The master key in {where} is not {2 * KEY_BYTES} hexadecimal digits."
        raise StartError(message)
    return bytes.fromhex(text.strip())
