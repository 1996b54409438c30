"""Who may call: HTTP Basic, temporary keys, bearer tokens, roles."""

import base64
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.rest import RestClient, problem
from tests.support.server import Server
from tests.support.signer import Client


@pytest.fixture
def key(server: Server) -> Client:
    """An admin's access key of its own."""
    return server.key("admin")


@pytest.fixture
def bare(server: Server) -> Iterator[RestClient]:
    """Nobody's client."""
    with RestClient(server.root, auth=None) as client:
        yield client


def basic(text: bytes) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def mint(client: RestClient) -> str:
    return str(client.ok("POST", "/v1/tokens")["token"])


def test_a_call_without_credentials_is_challenged(bare: RestClient) -> None:
    answer = bare.send("GET", "/v1/products")
    found = problem(answer, 401, "CredentialsMissing")
    assert found["where"] == "Authorization"
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert "Bearer" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "sent",
    [
        basic(b"nobody:secret"),
        basic(b"root-key-id:wrong"),
        basic(b"root-key-id"),
        basic(b"root-key-id:"),
        basic(b":"),
        basic(b"\xff\xfe:x"),
        basic("root-key-id:密".encode()),
        {"authorization": "Basic ====="},
        {"authorization": "Basic"},
    ],
    ids=str,
)
def test_an_unknown_key_and_a_wrong_secret_are_told_apart_by_nobody(bare: RestClient, sent: dict[str, str]) -> None:
    found = bare.refused(401, "CredentialsInvalid", "GET", "/v1/products", headers=sent)
    assert found["detail"] == "There is no such access key, it is disabled, or the secret is not its own."


@pytest.mark.parametrize("scheme", ["Digest x", "Negotiate", "ACS3-HMAC-SHA256 Credential=x"])
def test_another_scheme_is_none(bare: RestClient, scheme: str) -> None:
    bare.refused(401, "CredentialsMissing", "GET", "/v1/products", headers={"authorization": scheme})


def test_a_temporary_key_needs_its_token(server: Server) -> None:
    key = server.key("reader", "root", "--temporary", "900")
    with RestClient(key) as whole:
        whole.ok("GET", "/v1/products")
        whole.refused(
            401, "SecurityTokenInvalid", "GET", "/v1/products", headers={"x-nameplate-security-token": "x" * 64}
        )
    with RestClient(Client(key.port, key.key_id, key.secret)) as half:
        assert half.refused(401, "SecurityTokenInvalid", "GET", "/v1/products")["where"] == "x-nameplate-security-token"


def test_a_temporary_key_ends_and_so_does_its_bearer_token(server: Server, bare: RestClient) -> None:
    with RestClient(server.key("reader", "root", "--temporary", "6")) as client:
        token = client.ok("POST", "/v1/tokens")
        bare.ok("GET", "/v1/products", headers=bearer(token["token"]))
        left = token["expires_at"] / 1000 - time.time()  # noqa: TID251 (a client has its own clock)
        assert left <= 6
        time.sleep(left + 0.1)
        client.refused(401, "SecurityTokenInvalid", "GET", "/v1/products")
    bare.refused(401, "TokenInvalid", "GET", "/v1/products", headers=bearer(token["token"]))


def test_a_bearer_token_takes_the_place_of_the_key(rest: RestClient, bare: RestClient) -> None:
    made = rest.ok("POST", "/v1/tokens", headers={"idempotency-key": "again"})
    left = made["expires_at"] / 1000 - time.time()  # noqa: TID251 (a client has its own clock)
    assert 14 * 60 < left <= 15 * 60 + 1
    assert "items" in bare.ok("GET", "/v1/products", headers=bearer(made["token"]))
    assert bare.ok("POST", "/v1/tokens", headers=bearer(made["token"]))["token"].startswith("npt_")


def test_a_bearer_token_that_was_changed_is_refused(rest: RestClient, bare: RestClient) -> None:
    name, ends, tag = mint(rest).split(".")
    for forged in (
        f"{name}.{int(ends) + 1}.{tag}",
        f"{name}.{ends}.{tag[:-1]}{'A' if tag[-1] != 'A' else 'B'}",
        f"npt_{base64.urlsafe_b64encode(b'other').decode().rstrip('=')}.{ends}.{tag}",
        f"{name}.{ends}.",
        f"{name}x.{ends}.{tag}",
        "npt_",
        "x" * 5000,
    ):
        bare.refused(401, "TokenInvalid", "GET", "/v1/products", headers=bearer(forged))


def test_a_disabled_key_and_its_tokens_are_refused_within_a_second(
    server: Server, key: Client, bare: RestClient
) -> None:
    with RestClient(key) as client:
        token = bearer(mint(client))
        bare.ok("GET", "/v1/products", headers=token)
        assert server.keys("disable", key.key_id).returncode == 0
        time.sleep(1.1)
        client.refused(401, "CredentialsInvalid", "GET", "/v1/products")
    bare.refused(401, "TokenInvalid", "GET", "/v1/products", headers=token)


@pytest.mark.parametrize(
    ("method", "path", "role", "needed"),
    [
        ("POST", "/v1/products", "reader", "admin"),
        ("POST", "/v1/products", "registrar", "admin"),
        ("POST", "/v1/webhooks", "registrar", "admin"),
        ("GET", "/v1/webhooks", "registrar", "admin"),
        ("POST", "/v1/batches", "reader", "registrar"),
        ("GET", "/v1/batches/1/devices", "reader", "registrar"),
        ("GET", "/v1/batches/1/failed", "reader", "registrar"),
        ("PUT", "/v1/batches/1/file", "reader", "registrar"),
    ],
)
def test_a_role_is_kept_to(
    reader: RestClient, registrar: RestClient, method: str, path: str, role: str, needed: str
) -> None:
    client = reader if role == "reader" else registrar
    found = client.refused(403, "RoleDenied", method, path, json={})
    assert role in found["detail"]
    assert needed in found["fix"]


def test_neither_secret_nor_token_is_in_the_log(server: Server, key: Client, bare: RestClient) -> None:
    with RestClient(key) as client:
        token = mint(client)
        client.ok("GET", "/v1/products")
    bare.ok("GET", "/v1/products", headers=bearer(token))
    bare.refused(401, "TokenInvalid", "GET", "/v1/products", headers=bearer(token + "x"))
    httpx.get(f"http://127.0.0.1:{server.port}/v1/products", auth=(key.key_id, "not-the-secret"), trust_env=False)
    assert f"access_key_id={key.key_id}" in server.log
    for hidden in (
        key.secret,
        token,
        "not-the-secret",
        base64.b64encode(f"{key.key_id}:{key.secret}".encode()).decode(),
    ):
        assert hidden not in server.log
