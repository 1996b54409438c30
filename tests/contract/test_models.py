"""Every example through the models of the vendor's SDKs: nothing is lost, and everything is as it is stored."""

from typing import Any

import pytest

from tests.support.answers import check_stored
from tests.support.examples import (
    Example,
    Places,
    assert_like,
    check_effects,
    each_example,
    fill,
    fill_parameters,
    prepare,
)
from tests.support.sdks.fields import lost, nest
from tests.support.sdks.node import NodeTea, need_modules
from tests.support.sdks.python import PythonTea


@pytest.fixture(scope="module")
def sdk(engine: str) -> type[PythonTea | NodeTea]:
    """An SDK for each database: what it does with an answer does not depend on where that comes from."""
    if engine == "sqlite":
        return PythonTea
    need_modules()
    return NodeTea


@each_example
def test_an_answer_is_what_is_stored_and_nothing_of_it_is_lost(
    example: Example, places: Places, sdk: type[PythonTea | NodeTea]
) -> None:
    place = places.of(example)
    names, caller = prepare(example, place), place.caller(example.caller)
    parameters = nest(fill_parameters(example.parameters, names))
    client = sdk(place.server, caller.key_id, caller.secret)
    read = client.answer(example.action, **parameters)
    assert_like(client.raw, fill(example.answer, names))
    assert read == without(client.raw, lost(sdk.name, example.action))
    if not example.is_refused:
        check_stored(place.stored, example.action, parameters, client.raw)
    check_effects(example, place, names)


def without(answer: Any, paths: frozenset[str], path: str = "") -> Any:
    """Return an answer without some of its fields."""
    if isinstance(answer, list):
        return [without(item, paths, path) for item in answer]
    if not isinstance(answer, dict):
        return answer
    below = {name: f"{path}.{name}".removeprefix(".") for name in answer}
    return {name: without(item, paths, below[name]) for name, item in answer.items() if below[name] not in paths}
