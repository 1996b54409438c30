"""Devices out: every one, with its secret, in every format; sealed, counted, signed; freed when nobody reads on."""

import hashlib
import io
import socket
import struct
import time
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pyrage
import pytest

from nameplate.files.manifest import Manifest
from tests.rest.test_uploads import basic
from tests.support import batch
from tests.support.disk import wait_until
from tests.support.exports import Rows, read
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.signer import Client

COLUMNS = ["ProductKey", "DeviceName", "DeviceSecret", "IotId", "Nickname", "Sn", "Tags"]


def credentials(rows: Rows) -> list[tuple[str, str, str]]:
    return sorted((row["DeviceName"], row["DeviceSecret"], row["IotId"]) for row in rows)


def registered(server: Server, product: str, count: int) -> tuple[int, Rows]:
    number = batch.register(server.root, product, [f"pump-{one:05d}" for one in range(count)])
    return number, batch.devices(server.root, number)


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx", "parquet"])
def test_a_batch_goes_out_with_the_secrets_that_the_signed_api_gives(
    server: Server, rest: RestClient, product: str, form: str
) -> None:
    number, devices = registered(server, product, 321)
    answer = rest.send("GET", f"/v1/batches/{number}/devices", params={"format": form})
    assert answer.headers["content-disposition"] == f'attachment; filename="batch-{number}.{form}"'
    assert answer.headers["cache-control"] == "no-store"
    rows = read(form, answer.content)
    assert list(rows[0]) == COLUMNS
    assert credentials(rows) == credentials(devices)
    assert [row["DeviceName"] for row in rows] == [device["DeviceName"] for device in devices]
    assert {row["ProductKey"] for row in rows} == {product}


def test_a_product_goes_out_whole(server: Server, rest: RestClient, root: Client, product: str) -> None:
    expected: Rows = []
    for start in range(3):
        names = [f"pump-{start}-{one}" for one in range(40)]
        expected += batch.devices(root, batch.register(root, product, names))
    # A number of another product between two of this one.
    registered(server, rest.product(), 5)
    expected += batch.devices(root, batch.register(root, product, ["last-1", "last-2"]))
    single = root.call("RegisterDevice", ProductKey=product, DeviceName="single", Nickname="水泵1号")["Data"]
    secret = {"DeviceName": "imported", "DeviceSecret": "its-own.secret", "Sn": "SN1"}
    imported = root.call("ImportDevice", ProductKey=product, **secret)["Data"]
    rows = read("csv", rest.send("GET", f"/v1/products/{product}/devices").content)
    assert credentials(rows) == credentials([*expected, single, imported])
    by_name = {row["DeviceName"]: row for row in rows}
    assert by_name["single"]["Nickname"] == "水泵1号"
    assert (by_name["imported"]["DeviceSecret"], by_name["imported"]["Sn"]) == ("its-own.secret", "SN1")


def test_devices_are_chosen_by_status_and_tags(rest: RestClient, root: Client, product: str) -> None:
    for number in range(4):
        root.call("RegisterDevice", ProductKey=product, DeviceName=f"pump-{number}")
    root.call("DisableThing", ProductKey=product, DeviceName="pump-0")
    for name, tags in (("pump-1", {"hall": "3", "line": "a"}), ("pump-2", {"hall": "3"})):
        props = orjson.dumps(tags).decode()
        root.call("SaveDeviceProp", ProductKey=product, DeviceName=name, Props=props)

    def names(**query: Any) -> list[str]:
        answer = rest.send("GET", f"/v1/products/{product}/devices", params={"format": "jsonl", **query})
        return sorted(row["DeviceName"] for row in read("jsonl", answer.content))

    assert names(status="disable") == ["pump-0"]
    assert names(status="unactive") == ["pump-1", "pump-2", "pump-3"]
    assert names(tag="hall=3") == ["pump-1", "pump-2"]
    assert names(tag=["hall=3", "line=a"]) == ["pump-1"]
    assert names(tag="hall=4") == []
    answer = rest.send("GET", f"/v1/products/{product}/devices", params={"tag": "hall=3", "format": "jsonl"})
    assert {row["DeviceName"]: orjson.loads(row["Tags"]) for row in read("jsonl", answer.content)} == {
        "pump-1": {"hall": "3", "line": "a"},
        "pump-2": {"hall": "3"},
    }


def test_devices_with_certificates_have_no_secret(server: Server, rest: RestClient) -> None:
    product = rest.product(auth_type="x509")
    number, _ = registered(server, product, 3)
    rows = read("jsonl", rest.send("GET", f"/v1/batches/{number}/devices", params={"format": "jsonl"}).content)
    assert [row["DeviceSecret"] for row in rows] == [""] * 3
    assert all(row["IotId"] for row in rows)


def test_a_product_without_devices_is_an_empty_file(rest: RestClient, product: str) -> None:
    answer = rest.send("GET", f"/v1/products/{product}/devices")
    assert answer.text.strip() == ",".join(COLUMNS)


def test_a_sealed_file_is_for_its_recipients_only(server: Server, rest: RestClient, product: str) -> None:
    number, devices = registered(server, product, 200)
    keys = [pyrage.x25519.Identity.generate() for _ in range(2)]
    to = [str(key.to_public()) for key in keys]
    answer = rest.send("GET", f"/v1/batches/{number}/devices", params={"format": "jsonl", "to": to})
    assert answer.headers["content-type"] == "application/age"
    assert answer.headers["content-disposition"].endswith('.jsonl.age"')
    assert answer.content.startswith(b"age-encryption.org/v1")
    assert devices[0]["DeviceSecret"].encode() not in answer.content
    for key in keys:
        assert credentials(read("jsonl", pyrage.decrypt(answer.content, [key]))) == credentials(devices)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(answer.content, [pyrage.x25519.Identity.generate()])


def test_the_manifest_says_what_was_delivered(server: Server, rest: RestClient, product: str) -> None:
    number, _ = registered(server, product, 50)
    to = str(pyrage.x25519.Identity.generate().to_public())
    for query in ({}, {"to": to}):
        answer = rest.send("GET", f"/v1/batches/{number}/devices", params=query)
        export_id = answer.headers["x-nameplate-export"]
        manifest = Manifest.read(rest.send("GET", f"/v1/exports/{export_id}/manifest").text)
        key = rest.ok("GET", "/v1/manifest-key")["public_key"]
        assert manifest.differences(io.BytesIO(answer.content), key) == []
        assert manifest.differences(io.BytesIO(answer.content + b"x"), key) != []
        assert replace(manifest, rows=51).differences(io.BytesIO(answer.content), key) != []
        assert manifest.digest == hashlib.sha256(answer.content).hexdigest()
        assert (manifest.export_id, manifest.rows, manifest.size) == (export_id, 50, len(answer.content))
        assert (manifest.batch_id, manifest.product_key, manifest.columns) == (number, product, COLUMNS)
        assert (manifest.recipients, manifest.access_key_id) == (list(query.values()), server.root.key_id)


@pytest.mark.parametrize("to", ["", "age1", "age1x" + "q" * 57, "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1"])
def test_a_key_that_nothing_can_be_sealed_to(server: Server, rest: RestClient, product: str, to: str) -> None:
    number, _ = registered(server, product, 1)
    rest.refused(422, "InvalidRecipient", "GET", f"/v1/batches/{number}/devices", params={"to": to})


def test_an_export_is_another_accounts_business(
    server: Server, rest: RestClient, stranger: RestClient, product: str
) -> None:
    number, _ = registered(server, product, 2)
    stranger.refused(404, "iot.device.DeviceApplyIsNotFound", "GET", f"/v1/batches/{number}/devices")
    stranger.refused(404, "iot.prod.NotExistedProduct", "GET", f"/v1/products/{product}/devices")
    export_id = rest.send("GET", f"/v1/batches/{number}/devices").headers["x-nameplate-export"]
    stranger.refused(404, "ExportNotFound", "GET", f"/v1/exports/{export_id}/manifest")
    rest.refused(404, "ExportNotFound", "GET", "/v1/exports/nothing/manifest")


@pytest.fixture(scope="module")
def large(server: Server, rest: RestClient) -> int:
    """A batch whose file does not fit into any buffer on the way."""
    key = rest.product()
    number = int(server.root.call("BatchRegisterDevice", ProductKey=key, Count="10000")["Data"]["ApplyId"])
    batch.wait(server.root, key, number)
    for _ in range(11):
        one = int(server.root.call("BatchRegisterDevice", ProductKey=key, Count="10000")["Data"]["ApplyId"])
        batch.wait(server.root, key, one)
    products[number] = key
    return number


products: dict[int, str] = {}


def test_a_client_that_goes_away_has_no_manifest(server: Server, rest: RestClient, large: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as leaves:
        head = f"GET /v1/products/{products[large]}/devices?format=jsonl HTTP/1.1\r\nhost: x\r\n"
        leaves.sendall(f"{head}authorization: {basic(server)}\r\n\r\n".encode())
        text = leaves.recv(10_000).decode("latin-1")
        leaves.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    export_id = next(line.split(": ")[1] for line in text.split("\r\n") if line.startswith("x-nameplate-export"))
    wait_until(lambda: 'action="GET /v1/products/{product_key}/devices" code=ClientGone' in server.log, 20)
    rest.refused(404, "ExportNotFound", "GET", f"/v1/exports/{export_id}/manifest")


def test_a_slow_client_gets_everything_and_keeps_nobody_waiting(server: Server, rest: RestClient, large: int) -> None:
    digest, size, rows = hashlib.sha256(), 0, 0
    url = f"http://127.0.0.1:{server.port}/v1/products/{products[large]}/devices"
    with httpx.stream("GET", url, params={"format": "jsonl"}, auth=rest.http.auth, timeout=60) as answer:
        for number, piece in enumerate(answer.iter_raw(65_536)):
            if number < 20:
                begun = time.monotonic()
                rest.ok("GET", "/v1/products", params={"limit": 1})
                assert time.monotonic() - begun < 5
                time.sleep(0.02)
            digest.update(piece)
            size += len(piece)
            rows += piece.count(b"\n")
    manifest = rest.ok("GET", f"/v1/exports/{answer.headers['x-nameplate-export']}/manifest")
    assert (manifest["rows"], manifest["size"], manifest["digest"]) == (rows, size, digest.hexdigest())
    assert rows == 120_000


def test_many_exports_at_once(server: Server, rest: RestClient, product: str) -> None:
    number, devices = registered(server, product, 100)
    assert rest
    urls = [f"http://127.0.0.1:{server.port}/v1/batches/{number}/devices?format={form}" for form in ("csv", "parquet")]
    opened = [httpx.Client(auth=rest.http.auth, trust_env=False) for _ in range(20)]
    try:
        answers = [client.get(urls[place % 2]) for place, client in enumerate(opened)]
    finally:
        for client in opened:
            client.close()
    for place, answer in enumerate(answers):
        assert credentials(read(("csv", "parquet")[place % 2], answer.content)) == credentials(devices)


@pytest.mark.parametrize(("query", "where"), [("format=ods", "format"), ("tag=hall", "tag"), ("status=gone", "status")])
def test_a_query_that_is_not_valid(rest: RestClient, product: str, query: str, where: str) -> None:
    found = rest.refused(422, "InvalidParameter", "GET", f"/v1/products/{product}/devices?{query}")
    assert found["where"] == where


def test_what_is_exported_can_be_imported_again(server: Server, rest: RestClient, product: str) -> None:
    """And the plan says that nothing is to be done."""
    number, _ = registered(server, product, 30)
    file = rest.send("GET", f"/v1/batches/{number}/devices").content
    body = {"product_key": product, "name": "again.csv"}
    path = f"/v1/batches/{rest.ok('POST', '/v1/batches', json=body)['batch_id']}"
    rest.ok("PUT", f"{path}/file", content=io.BytesIO(file))
    wait_until(lambda: rest.ok("GET", path)["stage"] == "planned", 60)
    found = rest.ok("GET", path)
    assert (found["state"], found["unchanged"], found["to_create"]) == ("CHECK_SUCCESS", 30, 0)
