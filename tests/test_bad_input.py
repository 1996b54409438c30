"""Every parameter of every operation, wrong in every way: an exact refusal, and nothing is done."""

from collections.abc import Callable, Iterator
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tests.support import batch
from tests.support.calls import (
    REQUIRED,
    ROWS,
    SCALARS,
    TEXTS,
    Case,
    Slot,
    World,
    cases,
)
from tests.support.server import Server
from tests.support.signer import Answer, Client
from tests.support.values import BAD, NUMBERS
from tests.support.wire import FORM, expect, fields, post, signed


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    """What is there before the bad calls, and has to be there unchanged after them."""
    client = server.root
    name = f"w_{uuid4().hex[:20]}"
    product = str(client.call("CreateProduct", ProductName=name, NodeType="0")["ProductKey"])
    apply_id = batch.register(client, product, ["pump-1", "pump-2"])
    device = batch.devices(client, apply_id)[0]
    group = client.call("CreateDeviceGroup", GroupName=name)["Data"]["GroupId"]
    imported = batch.bring(client, product, {"meter-1": "s1"})
    yield World(product, apply_id, device["DeviceName"], device["IotId"], imported, group)
    assert client.call("QueryProduct", ProductKey=product)["Data"]["DeviceCount"] == 3
    assert client.call("QueryDeviceGroupInfo", GroupId=group)["Data"]["DeviceCount"] == 0
    assert client.call("QueryDeviceProp", IotId=device["IotId"])["Props"] == "{}"
    assert client.call("QueryDeviceDetail", IotId=device["IotId"])["Data"]["Status"] == "UNACTIVE"


def send(
    client: Client, query: dict[str, str], *more: tuple[str, str], body: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Send a query with some of its names there again, in the query or in the body."""
    target = "/?" + urlencode([*query.items(), *more])
    return client.raw("POST", target, urlencode(body).encode(), {"content-type": FORM})


def test_there_is_a_bad_value_for_every_parameter() -> None:
    assert {slot.name for slot in SCALARS} <= set(BAD)


@pytest.mark.parametrize("slot", REQUIRED, ids=str)
def test_a_parameter_that_is_missing(root: Client, world: World, slot: Slot) -> None:
    answer = post(root, slot.action, world.good(slot.action, **{slot.name: None}))
    assert expect(answer, 400, f"Missing{slot.name}")["Message"] == f"{slot.name} is mandatory for this action."


@pytest.mark.parametrize("spell", [str.lower, str.upper, lambda name: name[0].lower() + name[1:]])
@pytest.mark.parametrize("slot", REQUIRED, ids=str)
def test_a_parameter_in_the_wrong_case(root: Client, world: World, slot: Slot, spell: Callable[[str], str]) -> None:
    parameters = world.good(slot.action)
    sent = spell(slot.name)
    parameters[sent] = parameters.pop(slot.name)
    refusal = expect(post(root, slot.action, parameters), 400, f"Missing{slot.name}")
    assert f"{sent} was sent" in refusal["Message"]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_value_that_is_not_allowed(root: Client, world: World, case: Case) -> None:
    parameters = world.good(case.slot.action, **{case.slot.name: case.value})
    expect(post(root, case.slot.action, parameters), case.status, case.code)


@pytest.mark.parametrize("slot", SCALARS, ids=str)
def test_a_parameter_that_is_there_twice(root: Client, world: World, slot: Slot) -> None:
    query = signed(root, slot.action, world.good(slot.action, **{slot.name: "first"}))
    again = (slot.name, "second")
    for answer in (send(root, query, again), send(root, query, body=(again,)), send(root, query, (slot.name, "first"))):
        refusal = expect(answer, 400, f"Invalid{slot.name}")
        assert refusal["Message"].endswith("It is there more than once.")


@pytest.mark.parametrize("twice", ["Action", "Signature", "AccessKeyId", "Timestamp", "Nobody.Knows"])
def test_a_common_parameter_that_is_there_twice(root: Client, twice: str) -> None:
    query = signed(root, "QueryProduct", {"Nobody.Knows": "x"})
    expect(send(root, query, (twice, query[twice])), 400, f"Invalid{twice.partition('.')[0]}")


def test_a_long_nonce(root: Client) -> None:
    expect(root.v1("QueryProduct", SignatureNonce="n" * 257), 400, "InvalidSignatureNonce")
    expect(root.acs3("QueryProduct", x_acs_signature_nonce="n" * 257), 400, "InvalidSignatureNonce")
    expect(root.v1("QueryProduct", SignatureNonce=uuid4().hex * 8), 400, "MissingProductKey")


def without(world: World, slot: Slot) -> dict[str, str | None]:
    """A good call's parameters but for a list's."""
    return {name: value for name, value in world.good(slot.action).items() if not name.startswith(f"{slot.name}.")}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("slot", [*TEXTS, *ROWS], ids=str)
def test_a_list_with_a_wrong_number(root: Client, world: World, slot: Slot, number: str) -> None:
    alone = without(world, slot) | slot.item(number)
    expect(post(root, slot.action, alone), 400, f"Invalid{slot.name}")
    beside = alone | slot.item(1)
    expect(post(root, slot.action, beside), 400, f"Invalid{slot.name}")


@pytest.mark.parametrize("numbers", ["13", "23", "2", "0", "01", "1245", "102"])
@pytest.mark.parametrize("slot", [*TEXTS, *ROWS], ids=str)
def test_a_list_with_a_gap(root: Client, world: World, slot: Slot, numbers: str) -> None:
    parameters = without(world, slot)
    for number in numbers:
        parameters |= slot.item(number)
    refusal = expect(post(root, slot.action, parameters), 400, f"Invalid{slot.name}")
    assert "numbered from 1 without gaps" in refusal["Message"]


@pytest.mark.parametrize("stray", [".1.x", ".1.", ".x", ".1.DeviceName"])
@pytest.mark.parametrize("slot", TEXTS, ids=str)
def test_a_list_of_texts_with_something_below(root: Client, world: World, slot: Slot, stray: str) -> None:
    parameters = world.good(slot.action, **{f"{slot.name}{stray}": "never-created"})
    expect(post(root, slot.action, parameters), 400, f"Invalid{slot.name}")


@pytest.mark.parametrize("stray", [".1", ".1.", ".2.", ".2.Nobody", ".x.DeviceName", "..", "."])
@pytest.mark.parametrize("slot", ROWS, ids=str)
def test_a_list_of_rows_with_something_that_is_no_row(root: Client, world: World, slot: Slot, stray: str) -> None:
    parameters = {**without(world, slot), **slot.item(1), f"{slot.name}{stray}": "x"}
    expect(post(root, slot.action, parameters), 400, f"Invalid{slot.name}")


@pytest.mark.parametrize(
    ("slot", "field"),
    [(slot, field) for slot in ROWS for field, is_required in slot.fields.items() if is_required],
    ids=str,
)
def test_a_row_without_what_it_must_have(root: Client, world: World, slot: Slot, field: str) -> None:
    alone = without(world, slot) | slot.item(1, **{field: None})
    expect(post(root, slot.action, alone), 400, f"Missing{field}")
    later = without(world, slot) | slot.item(1) | slot.item(2, **{field: None})
    refusal = expect(post(root, slot.action, later), 400, f"Missing{field}")
    assert refusal["Message"] == f"{slot.name}.2.{field} is mandatory for this action."


def test_no_names_at_all(root: Client, world: World) -> None:
    none = world.good("BatchCheckDeviceNames", **{"DeviceName.1": None})
    expect(post(root, "BatchCheckDeviceNames", none), 200, "iot.device.NoneDeviceNameElement")
    expect(post(root, "BatchCheckDeviceNames", none, DeviceName="pump-3"), 200, "iot.device.NoneDeviceNameElement")


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({}, "iot.prod.NullProductKey"),
        ({"IotId": ""}, "iot.prod.NullProductKey"),
        ({"DeviceName": "pump-1"}, "iot.prod.NullProductKey"),
        ({"ProductKey": "x"}, "iot.prod.InvalidFormattedProductkey"),
    ],
    ids=str,
)
def test_half_a_selector(root: Client, chosen: dict[str, str], code: str) -> None:
    expect(post(root, "QueryDeviceDetail", chosen), 200, code)


def test_half_a_selector_with_a_product(root: Client, world: World) -> None:
    expect(root.v1("QueryDeviceDetail", ProductKey=world.product), 200, "iot.device.NullDeviceName")
    absent = {"ProductKey": world.product, "DeviceName": "never-created"}
    expect(post(root, "QueryDeviceDetail", absent), 200, "iot.device.NotExistedDevice")


def test_an_iot_id_with_one_character_changed(root: Client, world: World) -> None:
    for at, character in enumerate(world.iot_id):
        other = "1" if character == "0" else "0"
        forged = world.iot_id[:at] + other + world.iot_id[at + 1 :]
        expect(root.v1("QueryDeviceDetail", IotId=forged), 200, "iot.device.InvalidIoTId")


def test_a_batch_of_another_product(root: Client, world: World, product: str) -> None:
    for action in ("QueryBatchRegisterDeviceStatus", "BatchRegisterDeviceWithApplyId"):
        answer = root.v1(action, ProductKey=product, ApplyId=str(world.batch))
        expect(answer, 200, "iot.device.IncorrentDeviceApplyInfo")


def test_what_no_operation_knows_is_signed_and_ignored(root: Client, world: World) -> None:
    answer = post(root, "QueryProduct", {"a b~*": "水", "": "x", "y": ""}, ProductKey=world.product, RegionId="x")
    assert (answer.status, answer.json["Success"]) == (200, True)
    assert fields(answer)["Data"]["ProductKey"] == world.product
