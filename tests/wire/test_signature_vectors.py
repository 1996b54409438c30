"""Signatures that the vendor's own SDKs computed, one per file. Adding one needs no code."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from nameplate.refusal import RefusedError
from nameplate.wire.params import canonical, decode
from nameplate.wire.request import Request
from nameplate.wire.signature import Claim, read_acs3, read_v1

VECTORS = sorted((Path(__file__).parent.parent / "vectors" / "signature").glob("*.json"))


def read(vector: dict[str, Any], *, body: str | None = None) -> Claim:
    sent = (vector["body"] if body is None else body).encode()
    request = Request(vector["method"], vector["query"].encode(), vector.get("headers", {}), sent)
    texts = canonical(request.query), canonical(request.body)
    if vector["scheme"] == "acs3":
        return read_acs3(request, texts[0])
    return read_v1(request.method, texts, decode(*texts))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_what_the_sdk_signed_verifies(path: Path) -> None:
    vector = json.loads(path.read_text())
    claim = read(vector)
    assert claim.scheme.sign(vector["secret"].encode(), claim.signed).decode() == vector["signature"]
    assert claim.string_to_sign.decode() == vector.get("string_to_sign", claim.string_to_sign.decode())
    if "canonical_sha256" in vector:
        assert hashlib.sha256(claim.string_to_sign).hexdigest() == vector["canonical_sha256"]
    claim.verify(vector["secret"].encode())


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_another_secret_does_not_verify(path: Path) -> None:
    claim = read(json.loads(path.read_text()))
    with pytest.raises(RefusedError, match="server string to sign is:") as refused:
        claim.verify(b"testsecreT")
    assert refused.value.code == "SignatureDoesNotMatch"
    assert refused.value.message.endswith(claim.string_to_sign.decode())


@pytest.mark.parametrize(
    "path", [path for path in VECTORS if json.loads(path.read_text())["body"]], ids=lambda p: p.stem
)
def test_a_tampered_body_does_not_verify(path: Path) -> None:
    vector = json.loads(path.read_text())
    claim = read(vector, body=vector["body"].replace("light1", "light7"))
    with pytest.raises(RefusedError, match="SignatureDoesNotMatch"):
        claim.verify(vector["secret"].encode())


def test_every_vector_is_there() -> None:
    assert [path.stem for path in VECTORS] == list("ABCDEFGHIJKLM")
