"""Files on their way in: whole, piece by piece, broken off, started over, and never twice at once."""

import http.client
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.disk import wait_until
from tests.support.rest import RestClient
from tests.support.server import Server

PIECE = {"content-type": "application/offset+octet-stream"}


def table(rows: int) -> bytes:
    return ("DeviceName\n" + "".join(f"pump-{number:06d}\n" for number in range(rows))).encode()


def announce(rest: RestClient, size: int | None, **more: Any) -> str:
    """Announce a file of a new product's devices, and return the path of its batch."""
    body = {"product_key": rest.product(), "name": "devices.csv", "size": size, **more}
    return f"/v1/batches/{rest.ok('POST', '/v1/batches', json=body)['batch_id']}"


def send(rest: RestClient, path: str, offset: int, piece: bytes | Iterator[bytes], **more: str) -> httpx.Response:
    return rest.send("PATCH", f"{path}/file", content=piece, headers={**PIECE, "upload-offset": str(offset), **more})


def offset(rest: RestClient, path: str) -> int:
    return int(rest.send("HEAD", f"{path}/file").headers["upload-offset"])


def planned(rest: RestClient, path: str) -> dict[str, Any]:
    """Return the progress of a batch once it is checked."""
    wait_until(lambda: rest.ok("GET", path)["state"] != "CHECK", 60)
    found: dict[str, Any] = rest.ok("GET", path)
    return found


def test_a_file_is_sent_as_a_whole(rest: RestClient) -> None:
    data = table(100)
    for size in (len(data), None):
        path = announce(rest, size)
        answer = rest.ok("PUT", f"{path}/file", content=data)
        assert answer["file"] == {"name": "devices.csv", "size": len(data), "received": len(data)}
        assert planned(rest, path)["to_create"] == 100


def test_a_file_is_sent_piece_by_piece(rest: RestClient) -> None:
    data = table(1000)
    path = announce(rest, len(data))
    head = rest.send("HEAD", f"{path}/file").headers
    assert (head["upload-offset"], head["upload-length"], head["upload-complete"]) == ("0", str(len(data)), "?0")
    assert head["cache-control"] == "no-store"
    for first in range(0, len(data), 5000):
        answer = send(rest, path, first, data[first : first + 5000])
        assert answer.status_code == 204
        assert answer.headers["upload-offset"] == str(min(first + 5000, len(data)))
    assert answer.headers["upload-complete"] == "?1"
    assert planned(rest, path)["to_create"] == 1000


def test_a_file_of_unknown_size_is_said_to_be_complete(rest: RestClient) -> None:
    data = table(10)
    path = announce(rest, None)
    assert "upload-length" not in send(rest, path, 0, data[:30]).headers
    assert send(rest, path, 30, data[30:], **{"upload-complete": "?1"}).headers["upload-complete"] == "?1"
    assert planned(rest, path)["total"] == 10


@pytest.mark.parametrize("sent", [0, 5, 99, 2**53 - 1])
def test_a_piece_at_another_offset_is_refused_with_the_right_one(rest: RestClient, sent: int) -> None:
    path = announce(rest, 1000)
    send(rest, path, 0, b"DeviceName")
    answer = send(rest, path, sent, b"x")
    assert (answer.status_code, answer.headers["upload-offset"]) == (409, "10")
    assert answer.json()["code"] == "nameplate.upload.OffsetDiffers"
    assert offset(rest, path) == 10


@pytest.mark.parametrize(
    ("headers", "status", "where"),
    [
        ({**PIECE}, 422, "Upload-Offset"),
        ({**PIECE, "upload-offset": "-1"}, 422, "Upload-Offset"),
        ({**PIECE, "upload-offset": "x"}, 422, "Upload-Offset"),
        ({**PIECE, "upload-offset": "0", "upload-complete": "yes"}, 422, "Upload-Complete"),
        ({"content-type": "text/csv", "upload-offset": "0"}, 415, "Content-Type"),
        ({"upload-offset": "0"}, 422, "Content-Type"),
    ],
    ids=str,
)
def test_a_piece_that_says_too_little(rest: RestClient, headers: dict[str, str], status: int, where: str) -> None:
    path = announce(rest, 1000)
    answer = rest.send("PATCH", f"{path}/file", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["where"]) == (status, where)
    assert offset(rest, path) == 0


def test_more_than_was_announced_is_refused(rest: RestClient) -> None:
    path = announce(rest, 20)
    answer = send(rest, path, 0, b"x" * 21)
    assert (answer.status_code, answer.json()["code"]) == (413, "nameplate.upload.IsLarger")
    path = announce(rest, 20)
    answer = rest.send("PUT", f"{path}/file", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "nameplate.upload.IsLarger")


def test_less_than_was_announced_is_kept(rest: RestClient) -> None:
    data = table(20)
    path = announce(rest, len(data))
    answer = rest.send("PUT", f"{path}/file", content=data[:100])
    assert (answer.status_code, answer.json()["code"]) == (422, "nameplate.upload.IsShorter")
    assert send(rest, path, 100, data[100:]).status_code == 204
    assert planned(rest, path)["to_create"] == 20


def test_a_file_that_is_here_is_not_sent_again(rest: RestClient) -> None:
    data = table(5)
    path = announce(rest, len(data))
    rest.ok("PUT", f"{path}/file", content=data)
    for answer in (rest.send("PUT", f"{path}/file", content=data), send(rest, path, len(data), b"x")):
        assert (answer.status_code, answer.json()["code"]) == (409, "nameplate.upload.IsComplete")


def test_a_file_may_be_started_over(rest: RestClient) -> None:
    data = table(30)
    path = announce(rest, len(data))
    send(rest, path, 0, b"something else")
    rest.ok("PUT", f"{path}/file", content=data)
    assert planned(rest, path)["to_create"] == 30


def begin(server: Server, path: str, length: int, first: int = 0) -> socket.socket:
    """Begin a PATCH of so many bytes, and send none of them."""
    head = [f"PATCH {path}/file HTTP/1.1", f"host: 127.0.0.1:{server.port}", f"content-type: {PIECE['content-type']}"]
    head += [f"upload-offset: {first}", f"content-length: {length}", f"authorization: {basic(server)}", "", ""]
    opened = socket.create_connection(("127.0.0.1", server.port))
    opened.sendall("\r\n".join(head).encode())
    return opened


def basic(server: Server) -> str:
    request = httpx.Request("GET", "http://x")
    flow = httpx.BasicAuth(server.root.key_id, server.root.secret).auth_flow(request)
    return str(next(flow).headers["authorization"])


def test_what_came_before_a_connection_broke_is_kept(server: Server, rest: RestClient) -> None:
    data = table(20_000)
    path = announce(rest, len(data))
    with begin(server, path, len(data)) as broken:
        broken.sendall(data[:150_000])
    wait_until(lambda: offset(rest, path) == 150_000, 20)
    assert send(rest, path, 150_000, data[150_000:]).status_code == 204
    assert planned(rest, path)["to_create"] == 20_000


def test_a_client_that_comes_back_displaces_its_own_connection(server: Server, rest: RestClient) -> None:
    data = table(1000)
    path = announce(rest, len(data))
    with begin(server, path, len(data)) as hanging:
        hanging.sendall(data[:700])
        time.sleep(0.3)
        # The pieces of a request are gathered: what had come by then is dropped with it, or kept.
        begun = time.monotonic()
        answer = send(rest, path, 0, data)
        if answer.status_code == 409:
            first = int(answer.headers["upload-offset"])
            answer = send(rest, path, first, data[first:])
        assert answer.status_code == 204
        assert time.monotonic() - begun < 10
        told = http.client.HTTPResponse(hanging)
        told.begin()
        assert told.status == 409
        assert b"UploadDisplaced" in told.read()
    assert planned(rest, path)["to_create"] == 1000


def test_many_send_the_same_file_at_once(rest: RestClient, server: Server) -> None:
    data = table(20_000)
    path = announce(rest, len(data))

    def push() -> None:
        with RestClient(server.root) as own:
            for _ in range(200):
                first = offset(own, path)
                if first >= len(data) or send(own, path, first, data[first : first + 20_000]).status_code == 410:
                    return

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = planned(rest, path)
    assert (found["file"]["received"], found["to_create"], found["failed"]) == (len(data), 20_000, 0)


def test_a_server_that_is_killed_in_the_middle_keeps_what_it_has(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    server = Server(tmp_path_factory.mktemp("killed") / "data", **settings).start()
    data = table(400_000)
    with RestClient(server.root) as rest:
        path = announce(rest, len(data))
    received, kills = 0, 0
    while received < len(data):
        with begin(server, path, len(data) - received, received) as cut:
            cut.sendall(data[received : received + 1_700_000])
            time.sleep(0.2)
            if kills < 2:
                server.kill()
                kills += 1
                server.start()
        with RestClient(server.root) as rest:
            time.sleep(0.2)
            received = offset(rest, path)
    assert kills == 2
    with RestClient(server.root) as rest:
        assert planned(rest, path)["to_create"] == 400_000
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """As far as the server can tell: no file of its may grow beyond some megabytes."""
    program = ["prlimit", "--fsize=6000000", sys.executable, "-m", "nameplate"]
    server = Server(tmp_path / "data", program=program).start()
    with RestClient(server.root) as rest:
        path = announce(rest, 20_000_000)
        answer = send(rest, path, 0, b"x" * 8_000_000)
        assert (answer.status_code, answer.json()["code"]) == (507, "DiskFull")
        assert 4_000_000 < offset(rest, path) <= 6_000_000
        rest.ok("POST", f"{path}/cancel")
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "PUT"])
def test_another_accounts_file_is_not_there(rest: RestClient, stranger: RestClient, method: str) -> None:
    path = announce(rest, 100)
    for there in (path, "/v1/batches/999999999"):
        answer = stranger.send(method, f"{there}/file", content=b"x", headers={**PIECE, "upload-offset": "0"})
        assert answer.status_code == 404
        if method != "HEAD":
            assert answer.json()["code"] == "iot.device.DeviceApplyIsNotFound"
    assert offset(rest, path) == 0


def test_a_batch_is_announced_once_for_a_key(rest: RestClient) -> None:
    body, key = {"product_key": rest.product(), "name": "a.csv"}, {"idempotency-key": uuid4().hex}
    first = rest.send("POST", "/v1/batches", json=body, headers=key)
    assert first.status_code == 201
    again = rest.send("POST", "/v1/batches", json=body, headers=key)
    assert again.json()["batch_id"] == first.json()["batch_id"]
    assert again.headers["location"] == first.headers["location"]
    other = {**body, "name": "b.csv"}
    rest.refused(422, "IdempotentParameterMismatch", "POST", "/v1/batches", json=other, headers=key)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"product_key": "x"}, "product_key"),
        ({"name": ""}, "name"),
        ({"size": 0}, "size"),
        ({"size": 2**53}, "size"),
        ({"layout": {"format": "ods"}}, "layout.format"),
        ({"layout": {"delimiter": ";;"}}, "layout.delimiter"),
        ({"layout": {"separator": ";"}}, "layout.separator"),
        ({"layout": {"columns": {"DeviceName": 1}}}, "layout.columns.DeviceName"),
        ({"apply": {}}, "apply.policy"),
        ({"apply": {"policy": "some"}}, "apply.policy"),
        ({"state": "CHECK"}, "state"),
    ],
    ids=str,
)
def test_an_announcement_that_is_not_valid(rest: RestClient, change: dict[str, Any], where: str) -> None:
    body = {"product_key": "0" * 11, "name": "a.csv", **change}
    assert rest.refused(422, "InvalidBody", "POST", "/v1/batches", json=body)["where"] == where
