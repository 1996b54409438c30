import io
import os
import threading
from collections.abc import Iterator

import pyrage
import pytest

from nameplate.files.manifest import Digest, Manifest, public_key_of
from nameplate.files.sealing import seal, unseal
from nameplate.files.unreadable import UnreadableFileError

KEY = bytes(range(32))
CHUNKS = [os.urandom(100_000) for _ in range(12)]
FILE = b"DeviceName\r\nsn-0001\r\n"


@pytest.fixture(scope="module")
def factories() -> list[pyrage.x25519.Identity]:
    return [pyrage.x25519.Identity.generate() for _ in range(2)]


def test_every_recipient_opens_a_sealed_file_and_nobody_else(factories: list[pyrage.x25519.Identity]) -> None:
    sealed = list(seal(iter(CHUNKS), [str(factory.to_public()) for factory in factories]))
    for factory in factories:
        assert pyrage.decrypt(b"".join(sealed), [factory]) == b"".join(CHUNKS)
        assert b"".join(unseal(sealed, [str(factory)])) == b"".join(CHUNKS)
    with pytest.raises(UnreadableFileError, match="not encrypted to this key"):
        list(unseal(sealed, [str(pyrage.x25519.Identity.generate())]))


def test_it_is_streamed_and_may_be_given_up(factories: list[pyrage.x25519.Identity]) -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number, chunk in enumerate(CHUNKS * 10):
            taken.append(number)
            yield chunk

    sealed = seal(chunks(), [str(factories[0].to_public())])
    assert next(sealed)
    assert len(taken) < 20
    sealed.close()  # type: ignore[attr-defined] # a generator
    assert "sealing" not in [thread.name for thread in threading.enumerate()]


def test_what_its_chunks_raise_is_raised(factories: list[pyrage.x25519.Identity]) -> None:
    def chunks() -> Iterator[bytes]:
        yield CHUNKS[0]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(seal(chunks(), [str(factories[0].to_public())]))


def test_a_sealed_file_that_was_cut_is_refused(factories: list[pyrage.x25519.Identity]) -> None:
    sealed = b"".join(seal(iter(CHUNKS), [str(factories[0].to_public())]))
    with pytest.raises(UnreadableFileError, match="damaged"):
        list(unseal([sealed[:-1]], [str(factories[0])]))


def test_nothing_is_sealed_too(factories: list[pyrage.x25519.Identity]) -> None:
    assert pyrage.decrypt(b"".join(seal([], [str(factories[0].to_public())])), [factories[0]]) == b""


@pytest.mark.parametrize("text", ["", "age1x", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1"])
def test_who_is_no_recipient_is_refused_before_anything_is_read(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="is not an age public key"):
        seal(iter(CHUNKS), [text])
    with pytest.raises(UnreadableFileError, match="not an age identity"):
        unseal(iter(CHUNKS), [text])


def test_a_signed_manifest_fits_its_file_and_no_other() -> None:
    manifest = Manifest.read(_manifest().sign(KEY))
    assert manifest.verify(public_key_of(KEY))
    assert manifest.differences(io.BytesIO(FILE), public_key_of(KEY)) == []
    (cut,) = manifest.differences(io.BytesIO(FILE[:-1]), public_key_of(KEY))
    assert cut == "The file has 20 bytes, the manifest says 21."
    (changed,) = manifest.differences(io.BytesIO(FILE.replace(b"1", b"2")), public_key_of(KEY))
    assert "it was changed" in changed
    (foreign,) = manifest.differences(io.BytesIO(FILE), public_key_of(bytes(32)))
    assert "signature does not fit" in foreign


CHANGES = {
    '"rows": 1': '"rows": 2',
    '"batch_id": 5': '"batch_id": null',
    '"digest": "': '"digest": "0',
    '"recipients": []': '"recipients": ["x"]',
}


@pytest.mark.parametrize("there", CHANGES)
def test_no_part_of_a_manifest_can_be_changed(there: str) -> None:
    text = _manifest().sign(KEY)
    assert there in text
    assert not Manifest.read(text.replace(there, CHANGES[there])).verify(public_key_of(KEY))


@pytest.mark.parametrize("text", ["", "[]", "{}", "x" * (2 << 20), '{"rows": 1}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFileError, match="not a manifest"):
        Manifest.read(text)


def test_a_signature_that_is_none_does_not_fit() -> None:
    assert not _manifest().verify(public_key_of(KEY))
    assert not Manifest.read(_manifest().sign(KEY)).verify("no key")


def _manifest() -> Manifest:
    digest = Digest()
    assert b"".join(digest.through([FILE[:5], FILE[5:]])) == FILE
    return Manifest(
        export_id="e1",
        product_key="a1B2c3D4e5F",
        batch_id=5,
        format="csv",
        rows=1,
        size=digest.size,
        digest=digest.sha256,
        recipients=[],
        account="1",
        access_key_id="LTAI",
        created_at=1_780_000_000_000,
        columns=["DeviceName"],
    )
