"""TLS in front: what callers send comes through nginx unchanged, signatures hold, and probes stay inside."""

import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.deploy.proxy import Proxy, find
from tests.support import batch
from tests.support.server import ROOT_ID, ROOT_SECRET, Server
from tests.support.signer import Answer, Client, numbered

pytestmark = pytest.mark.skipif(find("nginx") is None and not os.environ.get("CI"), reason="nginx is not here")


@dataclass
class TlsClient(Client):
    """A client that speaks https."""

    trusted: Path = field(default_factory=Path)

    def raw(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        context = ssl.create_default_context(cafile=self.trusted)
        connection = HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read().decode())
        finally:
            connection.close()


@pytest.fixture
def client(data_dir: Path, tmp_path: Path) -> Iterator[TlsClient]:
    server = Server(data_dir).start()
    (tmp_path / "nginx").mkdir()
    with Proxy(tmp_path / "nginx", server.port) as proxy:
        yield TlsClient(proxy.port, ROOT_ID, ROOT_SECRET, trusted=proxy.certificate)
    assert server.stop() == 0


def test_calls_come_through(client: TlsClient) -> None:
    product = client.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    batch.register(client, product, [f"pump-{number:05}" for number in range(10_000)])
    in_the_url = numbered("DeviceName", [f"valve-{number:05}" for number in range(10_000)])
    sent = client.v1("BatchCheckDeviceNames", method="GET", in_body=False, ProductKey=product, **in_the_url)
    assert (sent.status, sent.json["Success"]) == (200, True)
    # The host, with its port, is part of what is signed.
    assert client.acs3("QueryProduct", query={"ProductKey": product}).status == 200


def test_the_api_refuses_what_is_too_large(client: TlsClient) -> None:
    answer = client.v1("QueryProduct", ProductKey="x" * (8 * 1024 * 1024 + 1))
    assert (answer.status, "RequestEntityTooLarge" in answer.text) == (413, True)


def test_files_of_any_size_come_through(client: TlsClient) -> None:
    basic = {"authorization": f"Basic {b64encode(f'{ROOT_ID}:{ROOT_SECRET}'.encode()).decode()}"}
    product = client.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    told = {**basic, "content-type": "application/json"}
    announced = f'{{"product_key": "{product}", "name": "a.csv", "apply": {{"policy": "all-or-nothing"}}}}'
    path = client.raw("POST", "/v1/batches", announced.encode(), told).headers["location"]
    file = "DeviceName,Note\n" + "".join(f"pump-{number:05},{'x' * 1_200}\n" for number in range(10_000))
    assert client.raw("PUT", f"{path}/file", file.encode(), basic).status == 200
    events = client.raw("GET", f"{path}/events", None, basic).text
    assert '"created":10000' in events.rpartition("event: end")[2]
    assert client.raw("GET", f"{path}/devices", None, basic).text.count("pump-") == 10_000


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz"])
def test_what_is_not_for_callers_stays_inside(client: TlsClient, path: str) -> None:
    assert client.raw("GET", path).status == 404
    assert client.raw("GET", "/errors").status == 200
