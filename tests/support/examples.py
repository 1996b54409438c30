"""Examples: files that say what is sent and what is answered, one per Action.

In an example `{name}` stands for something that `make_world` made, `{unique}` for a text never used before, and `/…/`
for anything that matches. `before` lists calls that are made first; what one `takes` from its answer has a name from
then on. `then` lists calls that show what the example has changed, with the fields of their answers that show it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.signer import Client

DIRECTORY = Path(__file__).parent.parent / "examples"
FAILING = {
    "DeviceNameList.1.DeviceName": "ab",
    "DeviceNameList.1.DeviceNickname": "x",
    "DeviceNameList.3.DeviceName": "pump-07",
    "DeviceNameList.4.DeviceName": "pump-08",
}

World = dict[str, str]
"""What exists, by the names that examples have for it."""


@dataclass(frozen=True)
class Example:
    """One request to one operation, and its answer."""

    action: str
    shows: str
    parameters: dict[str, str]
    answer: dict[str, Any]
    before: tuple[dict[str, Any], ...] = ()
    then: tuple[dict[str, Any], ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the answer is a refusal."""
        return self.answer["Success"] is False

    def __str__(self) -> str:
        return f"{self.action}: {self.shows}"


def read_examples() -> Iterator[Example]:
    """Read every example of every Action."""
    for path in sorted(DIRECTORY.glob("*.json")):
        for example in json.loads(path.read_text()):
            yield Example(path.stem, **example)


EXAMPLES = list(read_examples())

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=str)


def make_world(root: Client) -> World:
    """Make two products, devices of the first, batches that succeeded and failed, and a device with a certificate."""
    unique = uuid4().hex[:8]
    product, other, certified = (
        create_product(root, f"product_{number}_{unique}", auth_type)
        for number, auth_type in ((1, "secret"), (2, "secret"), (3, "x509"))
    )
    device, device_2 = f"pump-{unique}", f"pump-{unique}-2"
    registered = batch.register(root, product, [device, device_2])
    certified_batch = batch.register(root, certified, [device])
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
        "certified": certified,
        "certified_device": device,
        "certified_batch": str(certified_batch),
    }


def create_product(root: Client, name: str, auth_type: str) -> str:
    return str(root.call("CreateProduct", ProductName=name, NodeType="0", AuthType=auth_type)["ProductKey"])


def prepare(root: Client, example: Example, world: World) -> World:
    """Make the calls that come first, and return every name that the example may use."""
    names = {**world, "unique": uuid4().hex[:12]}
    for call in example.before:
        parameters = fill(call["parameters"], names)
        answer = root.call(call["action"], **parameters)
        for name, path in call.get("takes", {}).items():
            names[name] = str(dig(answer, path))
            if path == "Data.ApplyId":
                batch.wait(root, parameters["ProductKey"], int(names[name]))
    return names


def check_effects(root: Client, example: Example, names: World) -> None:
    """Make the calls that show what the example has changed."""
    for call in example.then:
        answer = root.call(call["action"], **fill(call["parameters"], names))
        expected = fill(call["answer"], names)
        assert_like({name: answer[name] for name in expected}, expected)


def dig(answer: Any, path: str) -> Any:
    for name in path.split("."):
        answer = answer[name]
    return answer


def fill(value: Any, names: World) -> Any:
    """Write what the names stand for in their place."""
    if isinstance(value, dict):
        return {name: fill(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, names) for item in value]
    if isinstance(value, str) and not value.startswith("/"):
        return value.format(**names)
    return value


def assert_like(found: Any, expected: Any) -> None:
    """Assert that an answer has the fields that an example says, in their order, and their values."""
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
