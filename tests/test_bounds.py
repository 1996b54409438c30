"""Very large requests: refused readably and soon; the server does not grow by their size, and nobody else waits."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.server import Server
from tests.support.signer import Answer, Client, numbered
from tests.support.wire import MIB, ask, chunked, connected, expect, form, memory_within, read_answers, request, signed

BOUND = 8 * MIB
SLACK = 70_000
"""What the request line may be longer than the bound, at most."""

SOON_SECONDS = 5
"""What a short call may take beside long ones, at most."""

FORMATS = [("Format=JSON&", "application/json;charset=utf-8"), ("", "text/xml;charset=utf-8")]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose memory is this module's alone."""
    running = Server(tmp_path_factory.mktemp("bounds") / "data").start()
    expect(running.root.v1("QueryProduct"), 400, "MissingProductKey")
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture
def client(own: Server) -> Client:
    return own.root


@contextmanager
def others_answered(client: Client, within: float) -> Iterator[None]:
    """Assert that no other caller waits for longer than this meanwhile."""
    done = threading.Event()

    def slowest() -> float:
        longest = 0.0
        while not done.is_set():
            started = time.monotonic()
            expect(client.v1("QueryProduct"), 400, "MissingProductKey")
            longest = max(longest, time.monotonic() - started)
            done.wait(0.02)
        return longest

    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(slowest)
        try:
            yield
        finally:
            done.set()
        assert waited.result() < within


@contextmanager
def cheap(server: Server, most: int = 32 * MIB, within: float = 10) -> Iterator[None]:
    """Assert that what is done costs neither memory nor other callers' time."""
    assert server.process is not None
    with memory_within(server.process.pid, most), others_answered(server.root, within):
        yield


def refused(answer: Answer, content_type: str) -> None:
    assert answer.headers["content-type"] == content_type
    assert "8388608 bytes" in expect(answer, 413, "RequestEntityTooLarge")["Message"]


@pytest.mark.parametrize(("asked", "content_type"), FORMATS)
@pytest.mark.parametrize("size", [BOUND + 1, 40 * MIB])
def test_a_body_over_the_bound(own: Server, client: Client, size: int, asked: str, content_type: str) -> None:
    head = f"{asked}Word=".encode()
    body = head + b"x" * (size - len(head))
    with cheap(own):
        # The format is not asked for in a body that is not read.
        answer = client.raw("POST", f"/?{asked}", body, {"content-type": "application/x-www-form-urlencoded"})
    refused(answer, content_type)


@pytest.mark.parametrize(("asked", "content_type"), FORMATS)
@pytest.mark.parametrize("size", [BOUND + 1, 40 * MIB])
def test_a_body_in_chunks_over_the_bound(own: Server, client: Client, size: int, asked: str, content_type: str) -> None:
    data = request("POST", f"/?{asked}", {"transfer-encoding": "chunked"}, chunked(b"x" * size), length=False)
    with cheap(own):
        answer = ask(client.port, data)
    refused(answer, content_type)


@pytest.mark.parametrize(("asked", "content_type"), FORMATS)
@pytest.mark.parametrize("size", [BOUND + SLACK, 40 * MIB])
def test_a_url_over_the_bound(own: Server, client: Client, size: int, asked: str, content_type: str) -> None:
    with cheap(own):
        answer = client.raw("GET", f"/?{asked}Word={'x' * size}")
    refused(answer, content_type)


def test_acs3_is_refused_in_json(own: Server, client: Client) -> None:
    headers = {"x-acs-action": "QueryProduct", "x-acs-signature-nonce": "n"}
    with cheap(own):
        answer = client.raw("POST", "/", b"x" * (BOUND + 1), headers)
    refused(answer, "application/json;charset=utf-8")


@pytest.mark.parametrize("length", [BOUND + 1, 9 * 10**18])
def test_a_client_that_asks_first_is_refused_before_it_sends_a_body(client: Client, length: int) -> None:
    head = request("POST", "/?Format=JSON", {"expect": "100-continue", "content-length": str(length)})
    refused(ask(client.port, head), "application/json;charset=utf-8")


def padded(client: Client, size: int, method: str) -> bytes:
    """Return a call's parameters, padded to a size."""
    parameters = signed(client, "QueryProduct", {"Word": "x" * (size - 1_000)}, method=method)
    return urlencode(parameters).encode().ljust(size, b"&")


def test_a_body_of_just_the_bound(client: Client) -> None:
    headers, body = form({}, padded(client, BOUND, "POST"))
    expect(client.raw("POST", "/", body, headers), 400, "MissingProductKey")


def test_a_url_of_just_the_bound(client: Client) -> None:
    query = padded(client, BOUND - 2, "GET").decode()
    expect(client.raw("GET", f"/?{query}"), 400, "MissingProductKey")


@pytest.mark.parametrize("piece", [b"x-long: ", b"x-long"])
def test_a_header_that_never_ends(own: Server, client: Client, piece: bytes) -> None:
    start = b"GET /?Format=JSON HTTP/1.1\r\nhost: x\r\n" + piece
    with cheap(own), connected(client.port) as connection:
        with suppress(OSError):
            connection.sendall(start + b"x" * 12 * MIB)
            connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)
    assert [answer.status for answer in answers] == [413]


@pytest.mark.parametrize("header", [b"a:\r\n", b"a: " + b"x" * 1_000 + b"\r\n"])
def test_more_headers_than_anybody_needs(own: Server, client: Client, header: bytes) -> None:
    count = 3 * MIB // len(header)
    with cheap(own):
        answer = ask(client.port, b"GET /?Format=JSON HTTP/1.1\r\nconnection: close\r\n" + header * count + b"\r\n")
    refused(answer, "application/json;charset=utf-8")


def test_more_trailers_than_anybody_needs(own: Server, client: Client) -> None:
    headers, body = form(signed(client, "QueryProduct"))
    data = chunked(body).removesuffix(b"\r\n") + b"a: b\r\n" * 500_000 + b"\r\n"
    with cheap(own):
        ask(client.port, request("POST", "/", {**headers, "transfer-encoding": "chunked"}, data, length=False))


def test_as_many_headers_as_somebody_may_need(client: Client) -> None:
    headers, body = form(signed(client, "QueryProduct"))
    headers |= {f"x-header-{number}": "x" * 500 for number in range(80)}
    expect(client.raw("POST", "/", body, headers), 400, "MissingProductKey")


def test_one_header_signed_very_often(own: Server, client: Client) -> None:
    headers = {
        "x-acs-action": "QueryProduct",
        "x-acs-version": "2018-01-20",
        "x-acs-date": "2024-05-20T12:00:00Z",
        "x-acs-signature-nonce": "n",
        "x-large": "x" * 30_000,
        "authorization": f"ACS3-HMAC-SHA256 Credential=a,SignedHeaders={';'.join(['x-large'] * 4_000)},Signature=x",
    }
    with cheap(own):
        answer = ask(client.port, request("POST", "/", headers))
    expect(answer, 400, "IncompleteSignature")
    assert len(answer.text) < MIB


@pytest.mark.parametrize("pair", ["{:x}=", "{:x}", "a=", "a", "%61=%62"])
def test_more_parameters_than_anybody_needs(own: Server, client: Client, pair: str) -> None:
    headers, body = form(signed(client, "QueryProduct"))
    body += "".join(f"&{pair.format(number)}" for number in range(1_000_000))[: BOUND - len(body)].encode()
    with cheap(own, 48 * MIB):
        answer = client.raw("POST", "/", body, headers)
    expect(answer, 413, "RequestEntityTooLarge")


def test_as_many_parameters_as_somebody_may_need(client: Client) -> None:
    rows = {
        f"DeviceNameList.{number}.{name}": "x"
        for number in range(1, 10_001)
        for name in ("DeviceName", "DeviceNickname")
    }
    expect(client.send("POST", signed(client, "BatchCheckDeviceNames", rows)), 400, "MissingProductKey")


def test_large_values_at_once(own: Server, client: Client) -> None:
    headers, body = form(client.parameters("QueryProduct", {}), b"&Word=" + b"%E6%B0%B4" * 800_000)

    def answer(_: int) -> Answer:
        return client.raw("POST", "/", body, headers)

    with cheap(own, 200 * MIB), ThreadPoolExecutor(4) as pool:
        for each in pool.map(answer, range(4)):
            expect(each, 400, "MissingSignature")


def test_what_is_pipelined_is_not_kept_while_a_call_runs(own: Server, client: Client) -> None:
    headers, body = form(signed(client, "QueryProduct", {"Word": "x" * 4 * MIB}))
    first = request("POST", "/", {**headers, "connection": "keep-alive"}, body)
    rest = request("GET", "/healthz", {"connection": "keep-alive"}) * 2_000
    with cheap(own, 64 * MIB), connected(client.port, 20) as connection:
        connection.sendall(first + rest + request("GET", "/healthz"))
        answers = read_answers(connection)
    assert len(answers) == 2_002
    expect(answers[0], 400, "MissingProductKey")


def test_long_calls_that_wait_for_the_database_keep_no_other_waiting(own: Server, client: Client) -> None:
    """There are more of them than the server has threads, and another program writes to the database."""
    product = client.call("CreateProduct", ProductName="long", NodeType="0")["ProductKey"]
    lists = [[f"{number}-of-many-{row:05}" for row in range(5_000)] for number in range(12)]

    def check(names: list[str]) -> dict[str, Any]:
        return client.call("BatchCheckDeviceNames", ProductKey=product, **numbered("DeviceName", names))

    with closing(sqlite3.connect(own.data_dir / "nameplate.db", isolation_level=None)) as other:
        with ThreadPoolExecutor(len(lists)) as pool:
            other.execute("BEGIN IMMEDIATE")
            calls = [pool.submit(check, names) for names in lists]
            wait(calls, timeout=1)
            started = time.monotonic()
            assert client.call("QueryProductList", CurrentPage="1", PageSize="10")["Data"]["Total"] == 1
            assert time.monotonic() - started < SOON_SECONDS
            assert not any(call.done() for call in calls)
            other.execute("COMMIT")
        assert all(call.result()["Success"] for call in calls)
