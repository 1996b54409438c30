"""Temporary keys and their tokens; secrets, which are in no refusal and no log."""

import time
from collections.abc import Iterator

import pytest

from tests.support.server import Server
from tests.support.signer import Answer, Client
from tests.support.wire import expect, signed


@pytest.fixture(scope="module")
def temporary(server: Server) -> Iterator[Client]:
    key = server.key("admin", "root", "--temporary", "600")
    assert key.key_id.startswith("STS.")
    yield key
    assert key.secret not in server.log
    assert key.common["SecurityToken"] not in server.log


def with_token(key: Client, token: str | None) -> list[Answer]:
    """Call with another token than the key's, or none, in both ways of signing."""
    return [
        key.v1("QueryProduct", SecurityToken=token),
        key.v1("QueryProduct", SecurityToken=token, Format=None),
        key.acs3("QueryProduct", x_acs_security_token=token),
    ]


def refused(answers: list[Answer], code: str, *secrets: str) -> None:
    for answer in answers:
        expect(answer, 400, code)
        assert [secret for secret in secrets if secret in answer.text] == []


def test_a_temporary_key_works_with_its_token(temporary: Client) -> None:
    refused(with_token(temporary, temporary.common["SecurityToken"]), "MissingProductKey")


@pytest.mark.parametrize("token", [None, ""])
def test_a_temporary_key_without_its_token(temporary: Client, token: str | None) -> None:
    own = temporary.common["SecurityToken"]
    refused(with_token(temporary, token), "MissingSecurityToken", temporary.secret, own)


@pytest.mark.parametrize("token", ["x", "x" * 63, "x" * 65, "-" * 64, "x" * 32 + " " + "x" * 31, "x" * 10_000])
def test_a_token_of_the_wrong_shape(temporary: Client, token: str) -> None:
    own = temporary.common["SecurityToken"]
    refused(with_token(temporary, token), "InvalidSecurityToken.Malformed", temporary.secret, own)


def test_a_token_that_is_not_ascii(temporary: Client) -> None:
    for token in ("水" * 64, "٣" * 64, "x" * 63 + "\0", "x" * 64 + "\n"):
        expect(temporary.v1("QueryProduct", SecurityToken=token), 400, "InvalidSecurityToken.Malformed")


def test_a_token_that_is_not_the_keys(server: Server, temporary: Client) -> None:
    own = temporary.common["SecurityToken"]
    another = server.key("admin", "root", "--temporary", "600").common["SecurityToken"]
    for token in ("x" * 64, another, own[:-1] + ("a" if own[-1] != "a" else "b"), own.swapcase()):
        refused(with_token(temporary, token), "InvalidSecurityToken.MismatchWithAccessKey", temporary.secret, own)


def test_a_token_with_a_key_that_has_none(root: Client, temporary: Client) -> None:
    answers = with_token(root, temporary.common["SecurityToken"])
    refused(answers, "InvalidSecurityToken.MismatchWithAccessKey", root.secret, temporary.common["SecurityToken"])


def test_a_token_tells_nothing_without_the_secret(server: Server, temporary: Client) -> None:
    forger = Client(server.port, temporary.key_id, "wrong")
    refused(with_token(forger, "x" * 64), "SignatureDoesNotMatch", temporary.secret, temporary.common["SecurityToken"])


def test_a_temporary_key_that_has_ended(server: Server) -> None:
    key = server.key("admin", "root", "--temporary", "1")
    time.sleep(1.1)
    answers = with_token(key, key.common["SecurityToken"])
    refused(answers, "InvalidSecurityToken.Expired", key.secret, key.common["SecurityToken"])


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_in_no_log_and_no_refusal(server: Server, root: Client, product: str) -> None:
    device = root.call("RegisterDevice", ProductKey=product, DeviceName="pump-1")["Data"]
    secrets = [
        root.secret,
        device["DeviceSecret"],
        root.call("QueryProduct", ProductKey=product)["Data"]["ProductSecret"],
    ]
    answers = [
        root.v1("RegisterDevice", ProductKey=product, DeviceName="pump-1"),
        root.v1("RegisterDevice", ProductKey=product, DeviceName="x"),
        root.v1("QueryDeviceDetail", ProductKey=product, DeviceName="x"),
        root.v1("QueryProduct", ProductKey=product, Format="YAML"),
        root.v1("QueryProduct", ProductKey=product, Version="x"),
        root.v1("Nobody", ProductKey=product),
        root.send("POST", signed(root, "QueryProduct", {"ProductKey": product}) | {"ProductKey": "x"}),
    ]
    for answer in answers:
        assert '"Success":true' not in answer.text
        assert [secret for secret in secrets if secret in answer.text] == []
    assert [secret for secret in secrets if secret in server.log] == []
