from uuid import uuid4

import pytest

from tests.support.rest import RestClient


def name() -> str:
    return f"p_{uuid4().hex[:20]}"


def test_a_product_is_created_and_found(rest: RestClient) -> None:
    sent = {"name": name(), "kind": "gateway", "auth_type": "x509", "description": "水泵"}
    answer = rest.send("POST", "/v1/products", json=sent)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/products/{made['key']}"
    assert {key: made[key] for key in sent} == sent
    assert len(made["secret"]) == 16
    assert rest.ok("GET", f"/v1/products/{made['key']}") == made


def test_a_product_is_the_signed_apis_too(rest: RestClient, root: object, product: str) -> None:
    assert root
    found = rest.ok("GET", f"/v1/products/{product}")
    assert (found["kind"], found["auth_type"], found["devices"]) == ("device", "secret", 0)


def test_a_name_is_taken_once(rest: RestClient) -> None:
    sent = {"name": name()}
    rest.ok("POST", "/v1/products", json=sent)
    assert rest.refused(409, "iot.prod.AlreadyExistedProductName", "POST", "/v1/products", json=sent)["where"] == "name"


def test_the_same_request_with_the_same_key_is_done_once(rest: RestClient) -> None:
    sent, key = {"name": name()}, {"idempotency-key": uuid4().hex}
    first = rest.ok("POST", "/v1/products", json=sent, headers=key)
    assert rest.ok("POST", "/v1/products", json=sent, headers=key) == first
    other = {"name": name()}
    found = rest.refused(422, "IdempotentParameterMismatch", "POST", "/v1/products", json=other, headers=key)
    assert found["where"] == "Idempotency-Key"


@pytest.mark.parametrize("key", ["", "x" * 65, "a b", "é"])
def test_an_idempotency_key_that_cannot_be_one(rest: RestClient, key: str) -> None:
    headers = {"idempotency-key": key.encode()}
    found = rest.send("POST", "/v1/products", json={"name": name()}, headers=headers).json()
    assert (found["code"], found["where"]) == ("InvalidParameter", "Idempotency-Key")


def test_products_are_paged_newest_first(stranger: RestClient) -> None:
    made = [stranger.product() for _ in range(5)]
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = stranger.ok("GET", "/v1/products", params={"limit": 2, **after})
        seen += [item["key"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen[:5] == made[::-1]
    assert len(set(seen)) == len(seen)
