"""What is wrong with a call is said: what, where, and what to do; never more than that."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rest import RestClient
from tests.support.server import Server
from tests.test_probes import fetch, samples

NEW: dict[str, Any] = {"name": "p_unused"}


@pytest.mark.parametrize(
    "path", ["/v1/", "/v1/nothing", "/v1/products/", "/v1/products/x/y", "/v1//products", "/v1/%00"]
)
def test_a_path_that_there_is_not(rest: RestClient, path: str) -> None:
    assert rest.refused(404, "NotFound", "GET", path)["where"] == "path"


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "OPTIONS", "FROBNICATE"])
def test_a_method_that_a_path_does_not_take(rest: RestClient, method: str) -> None:
    answer = rest.send(method, "/v1/products")
    if method == "FROBNICATE":
        assert answer.status_code == 400
        return
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["fix"] == "Send GET, POST."


@pytest.mark.parametrize(
    ("query", "code", "where"),
    [
        ("limit=0", "InvalidParameter", "limit"),
        ("limit=1001", "InvalidParameter", "limit"),
        ("limit=ten", "InvalidParameter", "limit"),
        ("limit=1&limit=2", "InvalidParameter", "limit"),
        ("limit=", "InvalidParameter", "limit"),
        ("Limit=1", "UnknownParameter", "Limit"),
        ("x=" + "y" * 5000, "UnknownParameter", "x"),
        ("x" * 5000 + "=y", "UnknownParameter", "x" * 200),
        ("after=%ff", "InvalidParameter", "query"),
        ("&".join(["limit=1"] * 500), "InvalidParameter", "query"),
    ],
)
def test_a_parameter_that_is_not_valid(rest: RestClient, query: str, code: str, where: str) -> None:
    assert rest.refused(422, code, "GET", f"/v1/products?{query}")["where"] == where


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        ({}, 422, "InvalidBody", "name"),
        ({**NEW, "nmae": 1}, 422, "InvalidBody", "nmae"),
        ({"name": 7}, 422, "InvalidBody", "name"),
        ({"name": None}, 422, "InvalidBody", "name"),
        ({**NEW, "kind": "toaster"}, 422, "InvalidBody", "kind"),
        ({**NEW, "description": "x" * 101}, 422, "InvalidBody", "description"),
        ([], 422, "InvalidBody", "body"),
        (None, 422, "InvalidBody", "body"),
        ({"name": "x"}, 422, "iot.prod.InvalidFormattedProductName", "name"),
    ],
    ids=str,
)
def test_a_body_that_is_not_valid(rest: RestClient, body: Any, status: int, code: str, where: str) -> None:
    sent = json.dumps(body).encode()
    found = rest.refused(
        status, code, "POST", "/v1/products", content=sent, headers={"content-type": "application/json"}
    )
    assert found["where"] == where


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"name": "x\xff"}', b"[" * 60_000, b'{"name": NaN}'])
def test_a_body_that_is_not_json(rest: RestClient, body: bytes) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    found = rest.send("POST", "/v1/products", content=body, headers=headers)
    assert found.status_code in (400, 422), found.text
    assert found.json()["code"] in ("BodyNotJson", "InvalidBody")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_a_body_of_another_type(rest: RestClient, kind: str) -> None:
    found = rest.refused(
        415, "UnsupportedMediaType", "POST", "/v1/products", content=b"{}", headers={"content-type": kind}
    )
    assert found["fix"] == "Send application/json."


def chunks(count: int) -> Iterator[bytes]:
    yield from (b"x" * 10_000 for _ in range(count))


@pytest.mark.parametrize("count", [7, 500])
def test_a_body_that_is_too_large(rest: RestClient, count: int) -> None:
    kind = {"content-type": "application/json"}
    rest.refused(413, "BodyTooLarge", "POST", "/v1/products", content=b"x" * 10_000 * count, headers=kind)
    rest.refused(413, "BodyTooLarge", "POST", "/v1/products", content=chunks(count), headers=kind)
    rest.ok("GET", "/v1/products")


def test_a_body_that_its_client_does_not_finish(server: Server, rest: RestClient) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as gone:
        gone.sendall(b"POST /v1/products HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    rest.ok("GET", "/v1/products")


def test_another_accounts_product_is_not_there(rest: RestClient, stranger: RestClient) -> None:
    there, nowhere = rest.product(), "0" * 11
    answers = [
        stranger.refused(404, "iot.prod.NotExistedProduct", "GET", f"/v1/products/{key}") for key in (there, nowhere)
    ]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]


def test_the_codes_are_explained(rest: RestClient) -> None:
    page = rest.send("GET", "/v1/problems")
    assert page.headers["content-type"].startswith("text/markdown")
    assert "`BodyTooLarge`" in page.text


def test_each_call_has_a_line_in_the_log_and_a_place_in_the_metrics(server: Server, rest: RestClient) -> None:
    request_id = rest.send("GET", "/v1/products?limit=1").headers["x-request-id"]
    rest.send("GET", "/v1/made-up-by-a-caller")
    (line,) = [line for line in server.log.splitlines() if request_id in line]
    assert 'action="GET /v1/products" code=OK status=200' in line
    page = fetch(f"http://127.0.0.1:{server.port}/metrics")[1]
    assert samples(page)['nameplate_calls_total{action="GET /v1/products",outcome="OK"}'] >= 1
    assert b"made-up" not in page
    assert not re.search(r"limit=1", server.log)
