"""Every operation's examples, one file per Action, sent to a real server in JSON and in XML."""

from typing import Any
from xml.etree import ElementTree as ET

from nameplate.wire.operation import OPERATIONS
from tests.support.account import operations
from tests.support.examples import (
    DIRECTORY,
    EXAMPLES,
    Example,
    Places,
    assert_like,
    check_effects,
    each_example,
    fill,
    fill_parameters,
    prepare,
)


def as_elements(name: str, value: Any) -> list[tuple[str, Any]]:
    """What an answer's field is in XML: an element of this name, or one for each item of a list."""
    if isinstance(value, list):
        return [element for item in value for element in as_elements(name, item)]
    if isinstance(value, dict):
        return [(name, [element for key, item in value.items() for element in as_elements(key, item)])]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


def assert_elements_like(root: ET.Element, expected: list[tuple[str, Any]]) -> None:
    assert [child.tag for child in root] == [name for name, _ in expected]
    for child, (_, value) in zip(root, expected, strict=True):
        if isinstance(value, list):
            assert_elements_like(child, value)
        else:
            assert_like(child.text or "", value)


@each_example
def test_in_json(example: Example, places: Places) -> None:
    place = places.of(example)
    names = prepare(example, place)
    parameters = fill_parameters(example.parameters, names)
    answer = place.caller(example.caller).v1(example.action, method="POST", in_body=True, **parameters)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert_like(answer.json, fill(example.answer, names))
    check_effects(example, place, names)


@each_example
def test_in_xml(example: Example, places: Places) -> None:
    place = places.of(example)
    names = prepare(example, place)
    parameters = fill_parameters(example.parameters, names)
    answer = place.caller(example.caller).v1(example.action, method="GET", in_body=False, Format=None, **parameters)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    document = ET.fromstring(answer.text)  # noqa: S314 (our own server's)
    assert document.tag == f"{example.action}Response"
    (_, expected), *_ = as_elements(document.tag, fill(example.answer, names))
    assert_elements_like(document, expected)
    check_effects(example, place, names)


def test_every_operation_has_examples_of_success_and_of_refusals() -> None:
    assert operations.__all__
    assert sorted(OPERATIONS) == sorted(path.stem for path in DIRECTORY.glob("*.json"))
    for is_refused in (False, True):
        assert sorted(OPERATIONS) == sorted({one.action for one in EXAMPLES if one.is_refused is is_refused})
