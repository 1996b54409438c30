"""The root access key: configured, or minted at the first start and kept in a file for its owner only."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nameplate.call import Registry
from nameplate.data_dir import ROOT_KEY_FILE, StartError, write_private
from nameplate.domain.access import Role
from nameplate.domain.secrets import mint_text
from nameplate.settings import PREFIX, Settings
from nameplate.store.access_keys import NewAccessKey

ROOT_ACCOUNT: Final = "root"
KEY_PREFIX: Final = "NP"

_ID_LENGTH: Final = 22
_SECRET_LENGTH: Final = 30
_LINES: Final = re.compile(rf"{PREFIX}ROOT_ACCESS_KEY_ID=(\S+)\n{PREFIX}ROOT_ACCESS_KEY_SECRET=(\S+)\n")


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A root access key that was minted just now, and the file that keeps it."""

    id: str
    secret: str
    path: Path


def mint_pair(prefix: str = KEY_PREFIX) -> tuple[str, str]:
    """Return a new access key's id and secret."""
    return prefix + mint_text(_ID_LENGTH), mint_text(_SECRET_LENGTH)


def ensure_root_key(settings: Settings, registry: Registry) -> MintedKey | None:
    """Make sure that the account root has an access key; return it if it was minted just now.

    Raises StartError.
    """
    key_id, secret = settings.root_access_key_id, settings.root_access_key_secret
    if (key_id is None) != (secret is None):
        message = f"Set both {PREFIX}ROOT_ACCESS_KEY_ID and {PREFIX}ROOT_ACCESS_KEY_SECRET, or neither."
        raise StartError(message)
    if key_id is not None and secret is not None:
        _put(registry, key_id, secret.get_secret_value())
        return None
    path = settings.data_dir / ROOT_KEY_FILE
    if path.exists():
        _put(registry, *read_root_key(path))
        return None
    if any(key.account == ROOT_ACCOUNT for key in registry.store.access_keys.list()):
        return None
    minted = MintedKey(*mint_pair(), path)
    write_private(
        path,
        f"{PREFIX}ROOT_ACCESS_KEY_ID={minted.id}\n{PREFIX}ROOT_ACCESS_KEY_SECRET={minted.secret}\n",
    )
    _put(registry, minted.id, minted.secret)
    return minted


def read_root_key(path: Path) -> tuple[str, str]:
    """Return the id and the secret in a root key file.

    Raises StartError.
    """
    found = _LINES.fullmatch(path.read_text())
    if found is None:
        message = f"{path} does not hold a root access key. Delete it to have another one made."
        raise StartError(message)
    return found[1], found[2]


def _put(registry: Registry, key_id: str, secret: str) -> None:
    found = registry.store.access_keys.find(key_id)
    if found is None or found.open_secret(registry.master) != secret.encode():
        new = NewAccessKey(key_id, secret, ROOT_ACCOUNT, Role.ADMIN)
        registry.store.access_keys.put(new, registry.master, registry.clock())
