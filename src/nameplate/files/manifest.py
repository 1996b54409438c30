"""What was delivered, signed: rows, digest, from what, for whom; and whether a file is what was signed for."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, BinaryIO, Final, Self

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_BLOCK_BYTES: Final = 1 << 20
_MOST_BYTES: Final = 1 << 20


class Digest:
    """The SHA-256 and the size of what passes through."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.size = 0

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks as they are."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def update(self, chunk: bytes) -> None:
        """Count a chunk."""
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        """The digest so far, in hexadecimal digits."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a file is said to be.

    `sha256` and `size` (bytes) are of the file as it was delivered, encrypted if it has recipients. It is of one batch,
    or of a product. `made_by` is the access key that asked for it; `made_at` is UTC, as in 2026-01-31T12:00:00Z.
    """

    rows: int
    size: int
    sha256: str
    format: str
    columns: tuple[str, ...]
    product_key: str
    batch_id: str | None
    made_by: str
    made_at: str
    recipients: tuple[str, ...] = ()

    def sign(self, key: Ed25519PrivateKey) -> bytes:
        """Return the manifest as JSON with its signature and the key that checks it."""
        content = asdict(self)
        signed = {
            "manifest": content,
            "public_key": public_key_text(key.public_key()),
            "signature": b64encode(key.sign(_canonical(content))).decode(),
        }
        return orjson.dumps(signed, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `sign` has written under `manifest`.

        Raises TypeError or KeyError if it is none.
        """
        lists = {name: tuple(content[name]) for name in ("columns", "recipients")}
        return cls(**(content | lists))


def verify(document: bytes, file: BinaryIO, trusted_key: str | None = None) -> list[str]:
    """Return what does not fit between a signed manifest, the file it came with, and the key that is trusted.

    Without a trusted key it only shows that nothing was changed since whoever owns the manifest's key signed it.
    """
    try:
        content, key, signature = _read(document)
    except (ValueError, TypeError, KeyError):
        return ["The manifest is not one that Nameplate writes."]
    problems = []
    if trusted_key is not None and key != trusted_key.strip():
        problems.append(f"The manifest is signed with the key {key}, not with the trusted one.")
    if not _is_signed(content, key, signature):
        problems.append("The signature does not fit: the manifest was changed.")
    return problems + _differences(Manifest.from_json(content), file)


def public_key_text(key: Ed25519PublicKey) -> str:
    """Return a public key as manifests and `verify` have it: base64 of its 32 bytes."""
    return b64encode(key.public_bytes_raw()).decode()


def _read(document: bytes) -> tuple[dict[str, Any], str, bytes]:
    if len(document) > _MOST_BYTES:
        raise ValueError
    signed = orjson.loads(document)
    content, key = signed["manifest"], signed["public_key"]
    manifest = Manifest.from_json(content)
    if not isinstance(key, str) or type(manifest.size) is not int:
        raise TypeError
    return content, key, b64decode(signed["signature"], validate=True)


def _is_signed(content: dict[str, Any], key: str, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(b64decode(key, validate=True)).verify(signature, _canonical(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _differences(manifest: Manifest, file: BinaryIO) -> list[str]:
    digest = Digest()
    while chunk := file.read(_BLOCK_BYTES):
        digest.update(chunk)
    if digest.size != manifest.size:
        return [f"The file has {digest.size:,} bytes, the manifest says {manifest.size:,}: it was cut or changed."]
    if digest.sha256 != manifest.sha256:
        return [f"The file's SHA-256 is {digest.sha256}, the manifest says {manifest.sha256}: it was changed."]
    return []


def _canonical(content: dict[str, Any]) -> bytes:
    """Return JSON with sorted keys and without spaces: what is signed."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
