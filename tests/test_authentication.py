"""Signatures, nonces and timestamps: a call is taken once, in time, and only as it was signed."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.support.server import Server
from tests.support.signer import Answer, Client, encode, numbered
from tests.support.wire import acs3_headers, expect, form, post, signed

TO_SIGN = "server string to sign is:"
MATCHES_NOT = f"Specified signature is not matched with our calculation. {TO_SIGN}"


@pytest.fixture(scope="module")
def other(server: Server) -> Client:
    """Another key of the root account."""
    return server.key("reader")


def v1_text(method: str, parameters: dict[str, str]) -> str:
    """Return what a v1 call's signature is over, from the documentation."""
    pairs = sorted((encode(name), encode(value)) for name, value in parameters.items() if name != "Signature")
    return f"{method}&%2F&{encode('&'.join(f'{name}={value}' for name, value in pairs))}"


def acs3_text(method: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> str:
    """Return an ACS3 call's canonical request, from the documentation."""
    ordered = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(query.items()))
    names = sorted(name for name in headers if name.startswith("x-acs-") or name == "host")
    block = "".join(f"{name}:{headers[name]}\n" for name in names)
    return "\n".join([method, "/", ordered, block, ";".join(names), hashlib.sha256(body).hexdigest()])


def shifted(**by: float) -> str:
    return (datetime.now(UTC) + timedelta(**by)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 (a client's clock)


def matches_not(answer: Answer, client: Client, text: str) -> None:
    """Assert that a signature is refused and what should have been signed is shown, to the letter."""
    message = expect(answer, 400, "SignatureDoesNotMatch")["Message"]
    assert message == MATCHES_NOT + text
    assert client.secret not in answer.text


# --- Tampering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "CreateProduct"},
        {"ProductKey": "a1b2c3d4e5g"},
        {"Added": "x"},
        {"SignatureNonce": "another"},
        {"Hard": "a b~*+%/=&水", "a b~*+%/=&水": ""},
        {"Signature": "AAAA"},
        {"Signature": "水"},
        {"Signature": "\0"},
        {"Format": "json"},
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["query", "body"])
def test_a_v1_call_that_was_changed_on_its_way(root: Client, where: str, change: dict[str, str]) -> None:
    parameters = signed(root, "QueryProduct", {"ProductKey": "a1b2c3d4e5f"}) | change
    matches_not(root.send("POST", parameters, in_body=where == "body"), root, v1_text("POST", parameters))


def test_a_call_that_was_given_another_time_on_its_way(root: Client) -> None:
    parameters = signed(root, "QueryProduct") | {"Timestamp": shifted(seconds=30)}
    matches_not(root.send("POST", parameters), root, v1_text("POST", parameters))
    headers = acs3_headers(root, "QueryProduct") | {"x-acs-date": shifted(seconds=30)}
    matches_not(root.raw("POST", "/", headers=headers), root, acs3_text("POST", {}, headers, b""))


def test_a_v1_call_with_another_method(root: Client) -> None:
    parameters = signed(root, "QueryProduct")
    matches_not(root.send("GET", parameters, in_body=False), root, v1_text("GET", parameters))


def test_a_v1_call_that_lost_a_parameter(root: Client) -> None:
    parameters = signed(root, "QueryProduct", {"Lost": ""})
    del parameters["Lost"]
    matches_not(root.send("POST", parameters), root, v1_text("POST", parameters))


def test_a_v1_call_with_its_parameters_in_two_places(root: Client) -> None:
    parameters = signed(root, "QueryProduct", {"In": "body"})
    headers, body = form({"In": parameters.pop("In")})
    answer = root.raw("POST", f"/?{urlencode(parameters)}", body, headers)
    expect(answer, 400, "MissingProductKey")


def test_a_large_v1_call_with_one_letter_changed(root: Client) -> None:
    parameters = signed(root, "BatchCheckDeviceNames", numbered("DeviceName", [f"pump:{n}@水" for n in range(10_000)]))
    parameters["DeviceName.7001"] = "other"
    matches_not(root.send("POST", parameters), root, v1_text("POST", parameters))


@pytest.mark.parametrize(
    "secret", [" ", "wrong", "root-key-secret ", "root-key-secret&", "ROOT-KEY-SECRET", "水" * 100]
)
def test_a_wrong_secret(server: Server, secret: str) -> None:
    client = Client(server.port, "root-key-id", secret)
    answer = client.v1("QueryProduct")
    assert expect(answer, 400, "SignatureDoesNotMatch")["Message"].startswith(MATCHES_NOT)
    expect(client.acs3("QueryProduct"), 400, "SignatureDoesNotMatch")


def test_a_signature_with_another_keys_secret(server: Server, root: Client, other: Client) -> None:
    answer = Client(server.port, root.key_id, other.secret).v1("QueryProduct")
    expect(answer, 400, "SignatureDoesNotMatch")
    assert other.secret not in answer.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-acs-action", "CreateProduct"),
        ("x-acs-signature-nonce", "another"),
        ("x-acs-content-sha256", "0" * 64),
        ("host", "elsewhere"),
    ],
)
def test_an_acs3_header_that_was_changed_on_its_way(root: Client, name: str, value: str) -> None:
    headers = acs3_headers(root, "QueryProduct") | {name: value}
    matches_not(root.raw("POST", "/", headers=headers), root, acs3_text("POST", {}, headers, b""))


@pytest.mark.parametrize("query", [{"ProductKey": "b"}, {"ProductKey": "a", "Added": ""}, {}, {"a b~*+%/=&水": "~水 "}])
def test_an_acs3_query_that_was_changed_on_its_way(root: Client, query: dict[str, str]) -> None:
    headers = acs3_headers(root, "QueryProduct", query={"ProductKey": "a"})
    answer = root.raw("POST", f"/?{urlencode(query)}", headers=headers)
    matches_not(answer, root, acs3_text("POST", query, headers, b""))


@pytest.mark.parametrize("sent", [b"ProductKey=b", b"ProductKey=a&", b"ProductKey=%61", b""])
def test_an_acs3_body_that_was_changed_on_its_way(root: Client, sent: bytes) -> None:
    headers = acs3_headers(root, "QueryProduct", body=b"ProductKey=a")
    answer = root.raw("POST", "/", sent, headers | form({})[0])
    matches_not(answer, root, acs3_text("POST", {}, headers, sent))


def test_an_acs3_call_with_another_method(root: Client) -> None:
    headers = acs3_headers(root, "QueryProduct")
    matches_not(root.raw("GET", "/", headers=headers), root, acs3_text("GET", {}, headers, b""))


# --- Nonces and timestamps --------------------------------------------------------------------------------------------


def test_a_call_is_taken_once(root: Client) -> None:
    parameters = signed(root, "QueryProduct")
    expect(root.send("POST", parameters), 400, "MissingProductKey")
    expect(root.send("POST", parameters), 400, "SignatureNonceUsed")
    expect(root.send("POST", parameters, in_body=False), 400, "SignatureNonceUsed")
    fresh = {"SignatureNonce": parameters["SignatureNonce"], "Timestamp": shifted(seconds=20)}
    expect(post(root, "QueryProduct", fresh), 400, "SignatureNonceUsed")
    expect(root.acs3("QueryProduct", x_acs_signature_nonce=parameters["SignatureNonce"]), 400, "SignatureNonceUsed")


def test_an_acs3_call_is_taken_once(root: Client) -> None:
    headers = acs3_headers(root, "QueryProduct")
    expect(root.raw("POST", "/", headers=headers), 400, "MissingProductKey")
    expect(root.raw("POST", "/", headers=headers), 400, "SignatureNonceUsed")


def test_a_call_that_registered_something_is_not_done_again(root: Client, product: str) -> None:
    parameters = signed(root, "RegisterDevice", {"ProductKey": product})
    assert root.send("POST", parameters).json["Success"]
    expect(root.send("POST", parameters), 400, "SignatureNonceUsed")
    assert root.call("QueryProduct", ProductKey=product)["Data"]["DeviceCount"] == 1


def test_nobody_uses_up_anothers_nonce(server: Server, root: Client, other: Client) -> None:
    nonce = uuid4().hex
    expect(post(other, "QueryProduct", {"SignatureNonce": nonce}), 400, "MissingProductKey")
    forger = Client(server.port, root.key_id, "wrong")
    expect(post(forger, "QueryProduct", {"SignatureNonce": nonce}), 400, "SignatureDoesNotMatch")
    expect(
        post(root, "QueryProduct", {"SignatureNonce": nonce, "Timestamp": shifted(hours=-1)}),
        400,
        "InvalidTimeStamp.Expired",
    )
    expect(post(root, "QueryProduct", {"SignatureNonce": nonce}), 400, "MissingProductKey")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_call_is_taken_once_although_the_server_was_started_again(data_dir: Path, end: str) -> None:
    server = Server(data_dir).start()
    parameters = signed(server.root, "QueryProduct")
    expect(server.root.send("POST", parameters), 400, "MissingProductKey")
    server.kill() if end == "kill" else server.stop()
    server.start()
    expect(server.root.send("POST", parameters), 400, "SignatureNonceUsed")
    expect(server.root.v1("QueryProduct"), 400, "MissingProductKey")
    assert server.stop() == 0


@pytest.mark.parametrize("by", [-14.8, 14.8])
def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(root: Client, by: float) -> None:
    expect(root.v1("QueryProduct", Timestamp=shifted(minutes=by)), 400, "MissingProductKey")
    expect(root.acs3("QueryProduct", x_acs_date=shifted(minutes=by)), 400, "MissingProductKey")


@pytest.mark.parametrize("by", [-15.2, 15.2, -60 * 24 * 365, 60 * 8])
def test_a_clock_may_not_be_wrong_by_more(root: Client, by: float) -> None:
    expect(root.v1("QueryProduct", Timestamp=shifted(minutes=by)), 400, "InvalidTimeStamp.Expired")
    expect(root.acs3("QueryProduct", x_acs_date=shifted(minutes=by)), 400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_time(root: Client, timestamp: str) -> None:
    expect(root.v1("QueryProduct", Timestamp=timestamp), 400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize(
    "timestamp",
    [
        "x",
        "1716206400",
        "2024-05-20",
        "2024-05-20T12:00:00",
        "2024-05-20 12:00:00Z",
        "2024-05-20T12:00:00.000Z",
        "2024-05-20T12:00:00+00:00",
        "2024-05-20T12:00:00z",
        "2024-13-20T12:00:00Z",
        "2024-02-30T12:00:00Z",
        "2024-05-20T24:00:00Z",
        "2024-05-20T12:00:60Z",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "2024-05-20T12:00:00Z\n",
        "٢٠٢٤-05-20T12:00:00Z",
        "Mon, 20 May 2024 12:00:00 GMT",
        "9" * 100_000,
    ],
)
def test_a_timestamp_that_is_none(root: Client, timestamp: str) -> None:
    expect(root.v1("QueryProduct", Timestamp=timestamp), 400, "InvalidTimeStamp.Format")
    if timestamp.isascii() and timestamp.isprintable() and len(timestamp) < 100:
        expect(root.acs3("QueryProduct", x_acs_date=timestamp), 400, "InvalidTimeStamp.Format")
