"""The vendor's device-side scheme, by vectors: its own, computed ones, and what its SDK sends."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.brokers.registration import Claim
from nameplate.domain.device_auth import (
    ClientId,
    Identity,
    connect_content,
    content,
    is_signed,
    read_client_id,
    read_username,
    sign,
)

VECTORS = sorted((Path(__file__).parent.parent / "vectors/device_auth").glob("*.json"))


def signed_content(vector: dict[str, Any]) -> str:
    if vector["kind"] == "content":
        return content(vector["fields"])
    identity, client_id = read_username(vector["username"]), read_client_id(vector["client_id"])
    assert identity is not None
    assert client_id is not None
    assert client_id.parameters["signmethod"] == vector["method"]
    if vector["kind"] == "register":
        return Claim(identity, client_id.parameters["random"], vector["method"], vector["signature"]).content
    return connect_content(identity, client_id)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_vector_is_read_and_signed_as_the_vendor_does(path: Path) -> None:
    vector = json.loads(path.read_text())
    assert signed_content(vector) == vector["content"]
    assert sign(vector["method"], vector["secret"], vector["content"]) == vector["signature"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_signature_may_be_in_capitals_and_must_be_of_this_secret_and_text(path: Path) -> None:
    vector = json.loads(path.read_text())
    method, secret, text, signature = (vector[name] for name in ("method", "secret", "content", "signature"))
    assert is_signed(method, secret, text, signature.upper())
    assert not is_signed(method, secret + "x", text, signature)
    assert not is_signed(method, secret, text + "x", signature)
    assert not is_signed(method, secret, text, signature[:-1])
    assert not is_signed("hmacsha512", secret, text, signature)


def test_what_the_device_chose_ends_at_the_first_bar() -> None:
    assert read_client_id("a&b.c|securemode=3,timestamp=1|") == ClientId("a&b.c", {"securemode": "3", "timestamp": "1"})
    assert read_client_id("a|ext=a|b|") == ClientId("a", {"ext": "a|b"})
    assert read_client_id("a||") == ClientId("a", {})


@pytest.mark.parametrize(
    "text", ["", "a", "a|", "a|securemode=3", "a|timestamp=1,timestamp=2|", "a|=1|", "a|a b=1|", f"{'a' * 65}|_v=1|"]
)
def test_what_is_no_client_id_of_the_scheme_is_not_read(text: str) -> None:
    assert read_client_id(text) is None


@pytest.mark.parametrize(
    "text", ["", "light1", "light1&", "&a1BwAGVabcd", "lig&a1BwAGVabcd", "light1&a1BwAGVabc", "li ght1&a1BwAGVabcd"]
)
def test_what_is_no_user_name_of_the_scheme_is_not_read(text: str) -> None:
    assert read_username(text) is None
    assert read_username("li@:.-_&a1BwAGVabcd") == Identity("a1BwAGVabcd", "li@:.-_")


@given(st.text(), st.text())
def test_nothing_that_is_sent_breaks_the_reading(client_id: str, username: str) -> None:
    read_client_id(client_id)
    read_username(username)
    assert not is_signed("hmacmd5", "s", "text", client_id.encode("utf-8", "replace").decode())
