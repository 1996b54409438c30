"""Every route, called once over a socket as its own document says; each answer fits its schema."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator

from nameplate.rest.routes import ROUTES
from tests.rest.test_uploads import PIECE, table
from tests.support.disk import wait_until
from tests.support.rest import RestClient

Places = dict[str, Any]
DEAF = {"url": "http://127.0.0.1:9/"}


@pytest.fixture(scope="module")
def walk(rest: RestClient) -> dict[str, httpx.Response]:
    """One way through all of REST, and what each route has answered on it."""
    return Walk(rest).go()


class Walk:
    """Calls routes by their names."""

    def __init__(self, rest: RestClient) -> None:
        self.rest = rest
        self.places: Places = {"format": "csv"}
        self.answers: dict[str, httpx.Response] = {}

    def go(self) -> dict[str, httpx.Response]:
        for part in (self.products, self.file, self.out, self.told):
            part()
        return self.answers

    def call(self, name: str, **more: Any) -> httpx.Response:
        method, path = name.split()
        answer = self.rest.send(method, path.format(**self.places), **more)
        assert answer.is_success, (name, answer.text)
        self.answers[name] = answer
        return answer

    def products(self) -> None:
        for name in ("GET /v1/openapi.json", "GET /v1/problems", "POST /v1/tokens", "GET /v1/templates/{format}"):
            self.call(name)
        made = self.call("POST /v1/products", json={"name": f"p_{id(self)}"}).json()
        self.places["product_key"] = made["key"]
        self.call("GET /v1/products")
        self.call("GET /v1/products/{product_key}")

    def file(self) -> None:
        data = table(20) + b"pump 1\n"
        body = {"product_key": self.places["product_key"], "name": "a.csv", "size": len(data)}
        self.places["batch_id"] = self.call("POST /v1/batches", json=body).json()["batch_id"]
        self.call("HEAD /v1/batches/{batch_id}/file")
        piece = {**PIECE, "upload-offset": "0"}
        self.call("PATCH /v1/batches/{batch_id}/file", content=data[:50], headers=piece)
        self.call("PUT /v1/batches/{batch_id}/file", content=data)
        self.until("planned")
        self.call("GET /v1/batches")
        for kind in ("illegal", "create"):
            self.call("GET /v1/batches/{batch_id}/rows", params={"kind": kind})
        self.call("GET /v1/batches/{batch_id}/plan")
        self.call("POST /v1/batches/{batch_id}/apply", json={"policy": "skip-invalid"})
        self.until("ended")
        self.call("GET /v1/batches/{batch_id}/failed")
        self.call("GET /v1/batches/{batch_id}/events")

    def until(self, stage: str) -> None:
        wait_until(lambda: self.call("GET /v1/batches/{batch_id}").json()["stage"] == stage, 60)

    def out(self) -> None:
        answer = self.call("GET /v1/batches/{batch_id}/devices")
        self.places["export_id"] = answer.headers["x-nameplate-export"]
        self.call("GET /v1/products/{product_key}/devices")
        self.call("GET /v1/exports/{export_id}/manifest")
        self.call("GET /v1/manifest-key")
        corrections = b"Line,DeviceName\n22,pump-x\n"
        self.call("POST /v1/batches/{batch_id}/corrections", json={"size": len(corrections)})
        self.call("HEAD /v1/batches/{batch_id}/corrections")
        piece = {**PIECE, "upload-offset": "0"}
        self.call("PATCH /v1/batches/{batch_id}/corrections", content=corrections[:9], headers=piece)
        self.call("PUT /v1/batches/{batch_id}/corrections", content=corrections)
        self.until("planned")
        self.call("POST /v1/batches/{batch_id}/cancel")
        body = {"product_key": self.places["product_key"], "name": "b.csv", "apply": {"policy": "skip-invalid"}}
        self.places["batch_id"] = self.rest.ok("POST", "/v1/batches", json=body)["batch_id"]
        conflict = b"DeviceName,Nickname\npump-000001,another\n"
        self.rest.ok("PUT", f"/v1/batches/{self.places['batch_id']}/file", content=conflict)
        self.until("ended")
        self.call("POST /v1/batches/{batch_id}/retry")

    def told(self) -> None:
        self.places["webhook_id"] = self.call("POST /v1/webhooks", json=DEAF).json()["id"]
        self.call("GET /v1/webhooks")
        self.call("GET /v1/webhooks/{webhook_id}")
        self.until("planned")
        self.call("POST /v1/batches/{batch_id}/cancel")
        self.call("GET /v1/webhooks/{webhook_id}/deliveries")
        self.call("POST /v1/webhooks/{webhook_id}/replay", json={"since": 0})
        self.call("DELETE /v1/webhooks/{webhook_id}")


def test_every_route_answers(walk: dict[str, httpx.Response]) -> None:
    assert sorted(walk) == sorted(route.name for route in ROUTES)


def test_every_answer_is_what_the_document_says(rest: RestClient, walk: dict[str, httpx.Response]) -> None:
    document = rest.send("GET", "/v1/openapi.json").json()
    for name, answer in walk.items():
        method, path = name.split()
        said = document["paths"][path][method.lower()]["responses"]
        content = said[str(answer.status_code)].get("content", {})
        if "application/json" in content:
            assert answer.headers["content-type"] == "application/json"
            check(document, name)(content["application/json"].get("schema", {}), answer.json())
        elif not content:
            assert answer.content == b"", name


def check(document: dict[str, Any], name: str) -> Callable[[dict[str, Any], Any], None]:
    def fits(schema: dict[str, Any], value: Any) -> None:
        validator = OAS31Validator({**schema, "components": document["components"]})
        assert [error.message for error in validator.iter_errors(value)] == [], name

    return fits
