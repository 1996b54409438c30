"""What was delivered, signed: rows, digest, of what, for whom; and whether a file is what was signed for."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from typing import Any, BinaryIO, Final, Self

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nameplate.files.unreadable import NO_MANIFEST

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

    `digest` (SHA-256, hexadecimal) and `size` (bytes) are of the file as it was delivered, encrypted if it has
    recipients. It is of one batch, or of a product. `created_at` is in milliseconds since 1970.
    """

    export_id: str
    product_key: str
    batch_id: int | None
    format: str
    rows: int
    size: int
    digest: str
    recipients: list[str]
    account: str
    access_key_id: str
    created_at: int
    columns: list[str] = field(default_factory=list)
    signature: str = ""

    def sign(self, private_key: bytes) -> str:
        """Return the manifest as JSON, with its signature under an Ed25519 key of 32 bytes."""
        signature = Ed25519PrivateKey.from_private_bytes(private_key).sign(self._signed())
        signed = asdict(replace(self, signature=b64encode(signature).decode()))
        return orjson.dumps(signed, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Read what `sign` has written. Raises UnreadableFileError for anything else."""
        try:
            content = orjson.loads(text) if len(text) <= _MOST_BYTES else None
        except orjson.JSONDecodeError:
            raise NO_MANIFEST() from None
        if not isinstance(content, dict) or not _has_types(content):
            raise NO_MANIFEST()
        return cls(**content)

    def verify(self, public_key: str) -> bool:
        """Whether this is what was signed with the private key of this public one (base64)."""
        try:
            key = Ed25519PublicKey.from_public_bytes(b64decode(public_key.strip(), validate=True))
            key.verify(b64decode(self.signature, validate=True), self._signed())
        except (InvalidSignature, ValueError):
            return False
        return True

    def differences(self, file: BinaryIO, public_key: str | None) -> list[str]:
        """Return what does not fit: the signature under the trusted key, if there is one; the file's bytes."""
        found = []
        if public_key is not None and not self.verify(public_key):
            found.append("The signature does not fit: the manifest was changed, or signed with another key.")
        digest = Digest()
        while chunk := file.read(_BLOCK_BYTES):
            digest.update(chunk)
        if digest.size != self.size:
            found.append(f"The file has {digest.size:,} bytes, the manifest says {self.size:,}.")
        elif digest.sha256 != self.digest:
            found.append(f"The file's SHA-256 is {digest.sha256}, the manifest says {self.digest}: it was changed.")
        return found

    def _signed(self) -> bytes:
        """Return what is signed: JSON with sorted keys and without spaces or signature."""
        content = asdict(self)
        del content["signature"]
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def public_key_of(private_key: bytes) -> str:
    """Return the public key of an Ed25519 key of 32 bytes, in base64."""
    return b64encode(Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()).decode()


def _has_types(content: dict[str, Any]) -> bool:
    known = {part.name: part.type for part in fields(Manifest)}
    return content.keys() == known.keys() and all(_is_of(content[name], kind) for name, kind in known.items())


def _is_of(value: object, kind: object) -> bool:
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    if kind == int | None:
        return value is None or type(value) is int
    return type(value) is kind
