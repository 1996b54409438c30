"""The document says what there is: valid OpenAPI 3.1, every route in it, and every route is called by some test."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from nameplate.rest.reference import rest_page
from nameplate.rest.routes import ROUTES
from tests.support.rest import RestClient

ROOT = Path(__file__).parent.parent.parent
TESTS = "\n".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))


@pytest.fixture(scope="module")
def document(rest: RestClient) -> dict[str, Any]:
    found: dict[str, Any] = rest.send("GET", "/v1/openapi.json", auth=None).json()
    return found


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    said = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert said == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_everything_in_it_is_explained(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith((".", ".md")), (method, path)
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name


def test_the_reference_page_is_fresh() -> None:
    assert (ROOT / "docs" / "rest.md").read_text() == rest_page()
