"""Every operation's examples, one file per Action, sent to a real server in JSON and in XML.

In an example `{name}` stands for something that the fixture made, `{unique}` for a text never used before, and
`/…/` for anything that matches. `before` lists calls that are made first; what one `takes` from its answer has a name
from then on.
"""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from nameplate.wire.operation import OPERATIONS
from tests.support import batch
from tests.support.account import operations
from tests.support.server import Server
from tests.support.signer import Client

DIRECTORY = Path(__file__).parent.parent / "examples"
EXAMPLES = [
    pytest.param(path.stem, example, id=f"{path.stem}: {example['shows']}")
    for path in sorted(DIRECTORY.glob("*.json"))
    for example in json.loads(path.read_text())
]
FAILING = {
    "DeviceNameList.1.DeviceName": "ab",
    "DeviceNameList.1.DeviceNickname": "x",
    "DeviceNameList.3.DeviceName": "pump-07",
    "DeviceNameList.4.DeviceName": "pump-08",
}


@pytest.fixture(scope="module")
def made(server: Server) -> dict[str, str]:
    """Two products, two devices of the first, their batch, and a batch whose check has failed."""
    root, unique = server.root, uuid4().hex[:8]
    product, other = (create_product(root, f"product_{number}_{unique}") for number in (1, 2))
    device, device_2 = f"pump-{unique}", f"pump-{unique}-2"
    registered = batch.register(root, product, [device, device_2])
    names = {**FAILING, "DeviceNameList.2.DeviceName": device}
    failed = root.call("BatchCheckDeviceNames", ProductKey=product, **names)["Data"]["ApplyId"]
    assert batch.wait(root, product, failed)["Status"] == "CHECK_FAILED"
    return {
        "product": product,
        "product_name": f"product_1_{unique}",
        "other_product": other,
        "device": device,
        "device_2": device_2,
        "iot_id": batch.devices(root, registered)[0]["IotId"],
        "batch": str(registered),
        "failed": str(failed),
    }


def create_product(client: Client, name: str) -> str:
    return str(client.call("CreateProduct", ProductName=name, NodeType="0")["ProductKey"])


def fill(value: Any, made: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: fill(item, made) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, made) for item in value]
    if isinstance(value, str) and not value.startswith("/"):
        return value.format(**made)
    return value


def assert_like(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, item in expected.items():
            assert_like(found[name], item)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_like(one, other)
    elif isinstance(expected, str) and expected.startswith("/"):
        assert re.fullmatch(expected.strip("/"), str(found))
    else:
        assert str(found) == str(expected)


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


def prepare(root: Client, example: dict[str, Any], made: dict[str, str]) -> dict[str, str]:
    """Make the calls that come first, and return every name that the example may use."""
    names = {**made, "unique": uuid4().hex[:12]}
    for call in example.get("before", []):
        answer = root.call(call["action"], **fill(call["parameters"], names))
        for name, path in call.get("takes", {}).items():
            taken: Any = answer
            for key in path.split("."):
                taken = taken[key]
            names[name] = str(taken)
            if path == "Data.ApplyId":
                batch.wait(root, names["product"], int(taken))
    return names


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
def test_in_json(action: str, example: dict[str, Any], made: dict[str, str], root: Client) -> None:
    made = prepare(root, example, made)
    answer = root.v1(action, method="POST", in_body=True, **fill(example["parameters"], made))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert_like(answer.json, fill(example["answer"], made))


@pytest.mark.parametrize(("action", "example"), EXAMPLES)
def test_in_xml(action: str, example: dict[str, Any], made: dict[str, str], root: Client) -> None:
    made = prepare(root, example, made)
    answer = root.v1(action, method="GET", in_body=False, Format=None, **fill(example["parameters"], made))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    document = ET.fromstring(answer.text)  # noqa: S314 (our own server's)
    assert document.tag == f"{action}Response"
    (_, expected), *_ = as_elements(document.tag, fill(example["answer"], made))
    assert_elements_like(document, expected)


def test_every_operation_has_examples() -> None:
    assert operations.__all__
    assert sorted(OPERATIONS) == sorted(path.stem for path in DIRECTORY.glob("*.json"))
