"""What the vendor's SDKs have, derived from the installed ones: a version that has more fails here."""

import ast
import inspect
from importlib import resources
from pathlib import Path

import pytest
from alibabacloud_iot20180120 import client

from nameplate.wire.actions import VENDOR_ACTIONS
from nameplate.wire.operation import OPERATIONS, Parameter, wire_name
from tests.support.examples import EXAMPLES
from tests.support.sdks.fields import EXCUSES, model_paths, paths

# The gateway reads it for every operation.
COMMON = {"IotInstanceId"}
# Each answer's envelope; every refusal has the last two.
ENVELOPE = {"RequestId", "Success", "Code", "ErrorMessage"}

each_action = pytest.mark.parametrize("action", sorted(OPERATIONS))


def excused(kind: str, action: str) -> set[str]:
    """The parameters or fields of an operation that are listed with a reason."""
    assert all(EXCUSES[kind].values())
    return {path.removeprefix(f"{action}.") for path in EXCUSES[kind] if path.startswith(f"{action}.")}


def names(parameter: Parameter) -> set[str]:
    """A parameter's names, in the way of `paths`."""
    if parameter.kind is list and parameter.item is not str:
        return {f"{parameter.name}.{wire_name(field)}" for field in parameter.item._fields}
    return {parameter.name}


@each_action
def test_every_parameter_of_the_sdk_is_read_or_excused_and_every_excuse_is_needed(action: str) -> None:
    theirs = model_paths(f"{action}Request")
    ours = {name for parameter in OPERATIONS[action].parameters for name in names(parameter)}
    assert theirs >= COMMON
    assert theirs - ours - COMMON == excused("parameters that Nameplate does not read", action)
    assert ours - theirs == excused("parameters that only Nameplate has", action)


@each_action
def test_every_field_of_the_sdk_is_in_an_example_or_excused_and_every_excuse_is_needed(action: str) -> None:
    theirs = model_paths(f"{action}ResponseBody")
    answers = [example.answer for example in EXAMPLES if example.action == action]
    ours = set[str]().union(*(paths(answer) for answer in answers))
    ours = {path for path in ours if not any(other.startswith(f"{path}.") for other in theirs | ours)}
    assert theirs >= ENVELOPE
    assert theirs - ours == excused("fields that Nameplate does not send", action)
    assert ours - theirs == excused("fields that only Nameplate has", action)


def test_every_field_that_the_node_sdk_lacks_is_in_an_example() -> None:
    for path in EXCUSES["fields that node's models lack"]:
        action, _, field = path.partition(".")
        seen = set[str]().union(*(paths(example.answer) for example in EXAMPLES if example.action == action))
        assert any(one == field or one.startswith(f"{field}.") for one in seen)


def test_every_excuse_is_for_an_operation() -> None:
    assert {path.partition(".")[0] for listed in EXCUSES.values() for path in listed} <= set(OPERATIONS)


@pytest.mark.parametrize("kind", ["parameters that Nameplate does not read", "fields that Nameplate does not send"])
def test_what_is_excused_is_said_in_the_reference(kind: str) -> None:
    for path in EXCUSES[kind]:
        action, _, field = path.partition(".")
        assert field.rpartition(".")[2] in OPERATIONS[action].documentation, path


def test_the_vendors_actions_are_those_of_its_sdks() -> None:
    tree = ast.parse(inspect.getsource(client))
    called = {
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "action" and isinstance(keyword.value, ast.Constant)
    }
    requests = Path(str(resources.files("aliyunsdkiot.request.v20180120"))).glob("*Request.py")
    assert called | {path.stem.removesuffix("Request") for path in requests} == VENDOR_ACTIONS
