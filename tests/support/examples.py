"""Examples: files that say what is sent and what is answered, one per Action.

In an example `{name}` stands for something that `make_world` made, `{unique}` for a text never used before, and `/…/`
for anything that matches. `before` lists calls that are made first; what one `takes` from its answer has a name from
then on. `then` lists calls that show what the example has changed, with the fields of their answers that show it.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.server import Server
from tests.support.signer import Client
from tests.support.stored import Stored, beside

DIRECTORY = Path(__file__).parent.parent / "examples"
FAILING = {
    "DeviceNameList.1.DeviceName": "ab",
    "DeviceNameList.1.DeviceNickname": "x",
    "DeviceNameList.3.DeviceName": "pump-07",
    "DeviceNameList.4.DeviceName": "pump-08",
}

# What the servers of examples are started with. Of the one that is full, the world leaves no room.
SERVERS = {
    "strict": {"strict": "true", "name_check": "sync", "instance_id": "iot-own"},
    "full": {"most_products": "3", "most_devices": "2"},
    "idle": {"workers": "0"},
}
CALLERS = {"reader": ("reader", "root"), "stranger": ("admin", "stranger")}
"""The role and account of each caller but root."""

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
    server: str = "default"
    caller: str = "root"

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


class Place:
    """A server that examples are sent to, its world and its callers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.root = server.root
        self.world = make_products(self.root)
        self._callers = {"root": self.root}
        self._opened = ExitStack()

    @cached_property
    def stored(self) -> Stored:
        """What it has stored."""
        return self._opened.enter_context(beside(self.server))

    def close(self) -> None:
        """Let its database go."""
        self._opened.close()

    def caller(self, name: str) -> Client:
        """Return a caller's client, with an access key that is made the first time."""
        if name not in self._callers:
            self._callers[name] = self.server.key(*CALLERS[name])
        return self._callers[name]


class Places:
    """A place for each kind of server; those that are not shared with other tests are started when they are needed."""

    def __init__(self, shared: Server, start: Callable[..., Server]) -> None:
        self._start = start
        place = Place(shared)
        place.world |= make_batches(place.root, place.world)
        self._places = {"default": place}

    def of(self, example: Example) -> Place:
        """Return where an example is sent to."""
        if example.server not in self._places:
            place = Place(self._start(**SERVERS[example.server]))
            for name in ("device", "device_2"):
                place.root.call("RegisterDevice", ProductKey=place.world["product"], DeviceName=place.world[name])
            self._places[example.server] = place
        return self._places[example.server]

    def close(self) -> None:
        """Stop what was started."""
        for name, place in self._places.items():
            place.close()
            if name != "default":
                assert place.server.stop() == 0
                assert "Traceback" not in place.server.log


def make_products(root: Client) -> World:
    """Make two products, and one whose devices have certificates; think of names for devices."""
    unique = uuid4().hex[:8]
    world = {"device": f"pump-{unique}", "device_2": f"pump-{unique}-2", "product_name": f"product_{unique}"}
    for key, name, auth_type in (
        ("product", world["product_name"], "secret"),
        ("other_product", f"other_{unique}", "secret"),
        ("certified", f"certified_{unique}", "x509"),
    ):
        made = root.call("CreateProduct", ProductName=name, NodeType="0", AuthType=auth_type)
        world[key] = made["ProductKey"]
    return world


def make_batches(root: Client, world: World) -> World:
    """Make devices with secrets and one with a certificate, by batches, and a batch whose check has failed."""
    product, device = world["product"], world["device"]
    made = batch.register(root, product, [device, world["device_2"]])
    certified = batch.register(root, world["certified"], [device])
    names = {**FAILING, "DeviceNameList.2.DeviceName": device}
    failed = root.call("BatchCheckDeviceNames", ProductKey=product, **names)["Data"]["ApplyId"]
    assert batch.wait(root, product, failed)["Status"] == "CHECK_FAILED"
    iot_id = batch.devices(root, made)[0]["IotId"]
    return {"batch": str(made), "certified_batch": str(certified), "failed": str(failed), "iot_id": iot_id}


def prepare(example: Example, place: Place) -> World:
    """Make the calls that come first, and return every name that the example may use."""
    names = {**place.world, "unique": uuid4().hex[:12]}
    for call in example.before:
        parameters = fill_parameters(call["parameters"], names)
        answer = place.root.call(call["action"], **parameters)
        for name, path in call.get("takes", {}).items():
            names[name] = str(dig(answer, path))
            if path == "Data.ApplyId" and example.server != "idle":
                batch.wait(place.root, parameters["ProductKey"], int(names[name]))
    return names


def check_effects(example: Example, place: Place, names: World) -> None:
    """Make the calls that show what the example has changed."""
    for call in example.then:
        answer = place.root.call(call["action"], **fill_parameters(call["parameters"], names))
        expected = fill(call["answer"], names)
        assert_like({name: answer[name] for name in expected}, expected)


def fill_parameters(parameters: dict[str, str], names: World) -> dict[str, str]:
    """Write out what is sent."""
    filled = {}
    for name, value in parameters.items():
        if span := re.search("([0-9]+)…([0-9]+)", name):
            for number in range(int(span[1]), int(span[2]) + 1):
                filled[name.replace(span[0], str(number))] = value.format(**names, number=number)
        else:
            filled[name] = value.format(**names)
    return filled


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
