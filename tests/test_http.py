"""HTTP itself, abused: methods, framing, smuggling, clients that go away. One call never harms another."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest

from tests.support.signer import Client
from tests.support.wire import (
    acs3_headers,
    ask,
    chunked,
    connected,
    exchange,
    expect,
    form,
    read_answers,
    request,
    signed,
)

GONE_SECONDS = 2
"""How long a call may take while others misbehave."""


@pytest.fixture(autouse=True)
def unharmed(root: Client) -> Iterator[None]:
    """Whatever a test does to the server, it answers others at once, during and after it."""
    yield
    started = time.monotonic()
    expect(root.v1("QueryProduct"), 400, "MissingProductKey")
    assert time.monotonic() - started < GONE_SECONDS


def call(client: Client, *, raw: bytes = b"") -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a call that is refused for the lack of a ProductKey, and no sooner."""
    return form(signed(client, "QueryProduct"), raw)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_method_other_than_get_and_post(root: Client, method: str) -> None:
    target = f"/?{urlencode(signed(root, 'QueryProduct', method=method))}"
    refusal = expect(ask(root.port, request(method, target)), 400, "UnsupportedHTTPMethod")
    assert method in refusal["Message"]


def test_head_is_refused_without_a_body(root: Client) -> None:
    answer = ask(root.port, request("HEAD", f"/?{urlencode(signed(root, 'QueryProduct', method='HEAD'))}"))
    assert (answer.status, answer.text) == (400, "")


@pytest.mark.parametrize("target", ["/x", "/%2e%2e/", "/index.html", "//", "/;x", "/%ff", "/\\"])
def test_a_path_that_there_is_not(root: Client, target: str) -> None:
    assert ask(root.port, request("GET", target)).status == 404


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\0" * 1_000,
        b"\xff\xfe\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nx : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"FROBNICATE / HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "GET /?Word=水 HTTP/1.1\r\n\r\n".encode(),
        b"GET /?a b HTTP/1.1\r\n\r\n",
        b"GET http://example.org HTTP/1.1\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
    ],
)
def test_what_is_not_http_is_answered_and_cut_off(root: Client, data: bytes) -> None:
    answer = ask(root.port, data)
    assert (answer.status, answer.headers["connection"]) == (400, "close")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("content-length", "3"), ("content-length", "4")], b"a=b"),
        ([("content-length", "3, 3")], b"a=b"),
        ([("content-length", "-3")], b"a=b"),
        ([("content-length", "+3")], b"a=b"),
        ([("content-length", "0x3")], b"a=b"),
        ([("content-length", "3 3")], b"a=b"),
        ([("content-length", "")], b"a=b"),
        ([("content-length", "9" * 40)], b"a=b"),
        ([("content-length", "3"), ("transfer-encoding", "chunked")], b"3\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "chunked"), ("content-length", "3")], b"3\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "xchunked")], b"3\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "chunked, identity")], b"3\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "gzip")], b"a=b"),
        ([("transfer-encoding", "chunked")], b"zz\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "chunked")], b"-3\r\na=b\r\n0\r\n\r\n"),
        ([("transfer-encoding", "chunked")], b"3\r\na=b&c=d\r\n0\r\n\r\n"),
        ([("transfer-encoding", "chunked")], b"3\na=b\n0\n\n"),
        ([("transfer-encoding", "chunked")], b"f" * 20 + b"\r\na=b\r\n0\r\n\r\n"),
    ],
)
def test_a_body_of_doubtful_length_is_not_read_on(root: Client, headers: list[tuple[str, str]], body: bytes) -> None:
    smuggled = request("GET", "/healthz")
    data = request("POST", "/?Format=JSON", [("connection", "keep-alive"), *headers], body + smuggled, length=False)
    answers = exchange(root.port, data)
    assert [answer.status for answer in answers] == [400]


def test_a_body_in_chunks(root: Client) -> None:
    for size in (1, 7, 65_536):
        headers, body = call(root)
        headers["transfer-encoding"] = "chunked"
        data = request("POST", "/", headers, chunked(body, size), length=False)
        expect(ask(root.port, data), 400, "MissingProductKey")


def test_chunks_with_extensions(root: Client) -> None:
    headers, body = call(root)
    data = b"%x;name=value;x\r\n%b\r\n0;last\r\n\r\n" % (len(body), body)
    sent = request("POST", "/", {**headers, "transfer-encoding": "chunked"}, data, length=False)
    expect(ask(root.port, sent), 400, "MissingProductKey")


@pytest.mark.parametrize(
    "trailer",
    [
        "content-type: application/json",
        "host: elsewhere",
        "accept: text/xml",
        "authorization: ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=x",
        "x-acs-action: QueryProduct\r\nx-acs-signature-nonce: n",
    ],
)
def test_what_follows_the_last_chunk_is_no_header(root: Client, trailer: str) -> None:
    headers, body = call(root)
    data = chunked(body).removesuffix(b"\r\n") + f"{trailer}\r\n\r\n".encode()
    sent = request("POST", "/", {**headers, "transfer-encoding": "chunked"}, data, length=False)
    assert expect(ask(root.port, sent), 400, "MissingProductKey")["HostId"] == "127.0.0.1"


def test_a_content_length_that_is_too_short(root: Client) -> None:
    headers, body = call(root)
    keep = {**headers, "connection": "keep-alive", "content-length": str(len(body) - 3)}
    answers = exchange(root.port, request("POST", "/", keep, body, length=False) + b"\r\n\r\n")
    assert {answer.status for answer in answers} == {400}  # cut short it is not what was signed; the rest is no request


def test_a_content_length_that_is_too_long_keeps_nobody_else_waiting(root: Client) -> None:
    headers, body = call(root)
    data = request("POST", "/", {**headers, "content-length": "1000000"}, body, length=False)
    with connected(root.port) as connection:
        connection.sendall(data)
        expect(root.v1("QueryProduct"), 400, "MissingProductKey")


def test_expect_continue(root: Client) -> None:
    headers, body = call(root)
    head = request("POST", "/", {**headers, "expect": "100-continue", "content-length": str(len(body))})
    with connected(root.port) as connection:
        connection.sendall(head)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        (answer,) = read_answers(connection)
    expect(answer, 400, "MissingProductKey")


def test_http_1_0(root: Client) -> None:
    for line in (b"GET /?Format=JSON HTTP/1.0", b"GET /?Format=JSON"):
        expect(ask(root.port, line + b"\r\n\r\n"), 400, "MissingAction")


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgrade_is_declined_and_the_call_is_answered(root: Client, method: str, protocol: str) -> None:
    wish = {"connection": "Upgrade, HTTP2-Settings", "upgrade": protocol, "http2-settings": "AAMAAABkAAQAAP__"}
    headers, body = form(signed(root, "QueryProduct", method=method))
    data = request("POST", "/", {**headers, **wish}, body)
    if method == "GET":
        data = request("GET", f"/?{body.decode()}", wish)
    call_answer, next_answer = exchange(root.port, data + request("GET", "/healthz"), seconds=2)
    expect(call_answer, 400, "MissingProductKey")
    assert next_answer.text == "ok\n"


@pytest.mark.parametrize("path", ["/healthz", "/"])
def test_a_client_that_says_it_has_said_everything(root: Client, path: str) -> None:
    headers, body = call(root)
    with connected(root.port) as connection:
        connection.sendall(request("POST", path, headers, body))
        connection.shutdown(socket.SHUT_WR)
        assert len(read_answers(connection)) == 1


def test_pipelined_calls_are_answered_in_order(root: Client) -> None:
    last = request("GET", "/healthz")
    names = [f"Word{number}" for number in range(50)]
    many = b""
    for name in names:
        headers, body = call(root, raw=f"&{name}=%ff".encode())
        many += request("POST", "/", {**headers, "connection": "keep-alive"}, body)
    answers = exchange(root.port, many + last)
    assert [answer.code for answer in answers[:-1]] == [f"Invalid{name}" for name in names]
    assert answers[-1].text == "ok\n"


def test_a_connection_that_says_nothing_keeps_nobody_waiting(root: Client) -> None:
    with ExitStack() as stack:
        for data in (b"", b"P", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le"):
            for _ in range(50):
                stack.enter_context(connected(root.port)).sendall(data)
        expect(root.v1("QueryProduct"), 400, "MissingProductKey")


@pytest.mark.parametrize("framing", ["content-length: 1000", "transfer-encoding: chunked"])
def test_many_bodies_that_do_not_come_keep_nobody_waiting(root: Client, framing: str) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(connected(root.port))
            connection.sendall(f"POST / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n3\r\na=b".encode())
        time.sleep(0.2)
        expect(root.v1("QueryProduct"), 400, "MissingProductKey")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_client_that_goes_away_in_the_middle(root: Client, share: float) -> None:
    headers, body = call(root, raw=b"&Word=" + b"x" * 100_000)
    data = request("POST", "/", headers, body)
    for abruptly in (False, True):
        with connected(root.port) as connection:
            connection.sendall(data[: int(len(data) * share)])
            if abruptly:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_clients_that_do_not_wait_for_their_answers(root: Client) -> None:
    headers, body = call(root, raw=b"&Word=" + b"x" * 100_000)
    for _ in range(20):
        with connected(root.port) as connection:
            connection.sendall(request("POST", "/", headers, body))


@pytest.mark.parametrize(
    ("first", "second", "code"), [("1", "x", "SignatureDoesNotMatch"), ("x", "1", "MissingProductKey")]
)
def test_of_a_header_that_is_there_twice_the_signed_one_counts(
    root: Client, first: str, second: str, code: str
) -> None:
    for name in ("x-acs-action", "x-acs-version", "x-acs-signature-nonce", "authorization", "host"):
        headers = acs3_headers(root, "QueryProduct")
        good = headers.pop(name)
        values = {"1": good, "x": "CreateProduct" if name == "x-acs-action" else f"{good}x"}
        data = request("POST", "/", [*headers.items(), (name, values[first]), (name, values[second])])
        expect(ask(root.port, data), 400, code)


def test_many_at_once(root: Client) -> None:
    def answer(_: int) -> str:
        return root.v1("QueryProduct").code

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(answer, range(200))) == {"MissingProductKey"}
