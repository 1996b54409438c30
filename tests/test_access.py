"""Who may do what: accounts do not see each other's things, roles are kept to, a disabled key is refused at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from nameplate.wire.operation import OPERATIONS
from tests.support import batch
from tests.support.calls import World
from tests.support.server import Server
from tests.support.signer import Client, numbered
from tests.support.wire import expect, post, signed

AT_LEAST = {
    "CreateProduct": "admin",
    "UpdateProduct": "admin",
    "DeleteProduct": "admin",
    "BatchCheckDeviceNames": "registrar",
    "BatchRegisterDevice": "registrar",
    "BatchRegisterDeviceWithApplyId": "registrar",
    "RegisterDevice": "registrar",
    "ImportDevice": "registrar",
    "BatchImportDevice": "registrar",
    "BatchUpdateDeviceNickname": "registrar",
    "DeleteDevice": "registrar",
    "DisableThing": "registrar",
    "EnableThing": "registrar",
    "ResetThing": "registrar",
    "SaveDeviceProp": "registrar",
    "DeleteDeviceProp": "registrar",
    "CreateDeviceGroup": "registrar",
    "UpdateDeviceGroup": "registrar",
    "DeleteDeviceGroup": "registrar",
    "BatchAddDeviceGroupRelations": "registrar",
    "BatchDeleteDeviceGroupRelations": "registrar",
    "QueryProduct": "reader",
    "QueryProductList": "reader",
    "QueryBatchRegisterDeviceStatus": "reader",
    "QueryPageByApplyId": "reader",
    "QueryImportedDeviceByApplyId": "reader",
    "BatchCheckImportDevice": "reader",
    "QueryDeviceCert": "reader",
    "QueryCertUrlByApplyId": "reader",
    "QueryDevice": "reader",
    "QueryDeviceByStatus": "reader",
    "QueryDeviceStatistics": "reader",
    "QueryDeviceDetail": "reader",
    "QueryDeviceInfo": "reader",
    "BatchQueryDeviceDetail": "reader",
    "GetDeviceStatus": "reader",
    "BatchGetDeviceState": "reader",
    "QueryDeviceProp": "reader",
    "QueryDeviceByTags": "reader",
    "QueryDeviceGroupList": "reader",
    "QueryDeviceGroupInfo": "reader",
    "QueryDeviceListByDeviceGroup": "reader",
    "QueryDeviceGroupByDevice": "reader",
}
ROLES = ("reader", "registrar", "admin")
# Whether such a one exists is not told.
NO_GROUP = "iot.common.InvalidFormattedParameter"
NOT_YOURS = {"ApplyId": "iot.device.DeviceApplyIsNotFound", "GroupId": NO_GROUP, "SuperGroupId": NO_GROUP}
OF_SOMEBODY = [
    action
    for action, operation in OPERATIONS.items()
    if {parameter.name for parameter in operation.parameters}
    & {"ProductKey", "ApplyId", "IotId", "GroupId", "SuperGroupId"}
]


@dataclass(frozen=True)
class Party:
    """One account: its client, what it has, and what only it may know."""

    client: Client
    world: World
    secrets: tuple[str, ...]


def party(client: Client) -> Party:
    """Give an account a product with devices."""
    name = f"p_{uuid4().hex[:20]}"
    made = client.call("CreateProduct", ProductName=name, NodeType="0")
    product = str(made["ProductKey"])
    apply_id = batch.register(client, product, [f"pump-{uuid4().hex[:8]}", f"pump-{uuid4().hex[:8]}"])
    devices = batch.devices(client, apply_id)
    first = devices[0]
    secrets = [str(made["Data"]["ProductSecret"]), name]
    secrets += [device[field] for device in devices for field in ("DeviceSecret", "DeviceName", "IotId")]
    group = client.call("CreateDeviceGroup", GroupName=name)["Data"]["GroupId"]
    imported = batch.bring(client, product, {f"meter-{uuid4().hex[:8]}": "s1"})
    world = World(product, apply_id, first["DeviceName"], first["IotId"], imported, group)
    return Party(client, world, (*secrets, group))


@pytest.fixture(scope="module")
def mine(server: Server) -> Iterator[Party]:
    owner = party(server.root)
    yield owner
    found = owner.client.call("QueryProduct", ProductKey=owner.world.product)
    assert found["Data"]["DeviceCount"] == 3


@pytest.fixture(scope="module")
def theirs(server: Server) -> Party:
    return party(server.key("admin", f"account-{uuid4().hex[:8]}"))


@pytest.fixture(scope="module")
def keys(server: Server) -> dict[str, Client]:
    """A key of the root account for each role."""
    return {"admin": server.root, **{role: server.key(role) for role in ROLES[:2]}}


def refused(party: Party, action: str, parameters: dict[str, str], code: str, owner: Party) -> None:
    """Assert that a call is refused and tells nothing of its owner's, in either format."""
    for form in ("JSON", "XML"):
        answer = post(party.client, action, parameters, Format=form)
        expect(answer, 200, code)
        sent = set(parameters.values())
        assert [secret for secret in owner.secrets if secret in answer.text and secret not in sent] == []


@pytest.mark.parametrize("action", OF_SOMEBODY)
def test_what_is_another_accounts_is_refused(mine: Party, theirs: Party, action: str) -> None:
    parameters = mine.world.good(action)
    code = next((code for name, code in NOT_YOURS.items() if name in parameters), "iot.common.AuthActionPermissionDeny")
    refused(theirs, action, parameters, code, mine)
    refused(mine, action, theirs.world.good(action), code, theirs)


def test_another_accounts_batch_with_ones_own_product(mine: Party, theirs: Party) -> None:
    for action in ("QueryBatchRegisterDeviceStatus", "BatchRegisterDeviceWithApplyId"):
        with_own = {"ProductKey": theirs.world.product, "ApplyId": str(mine.world.batch)}
        refused(theirs, action, with_own, "iot.device.DeviceApplyIsNotFound", mine)
        with_foreign = {"ProductKey": mine.world.product, "ApplyId": str(theirs.world.batch)}
        refused(theirs, action, with_foreign, "iot.common.AuthActionPermissionDeny", mine)


def test_another_accounts_device_however_it_is_selected(mine: Party, theirs: Party) -> None:
    foreign = mine.world
    own = {"ProductKey": theirs.world.product, "DeviceName": theirs.world.name}
    for parameters, code in (
        ({"IotId": foreign.iot_id}, "iot.common.AuthActionPermissionDeny"),
        ({"IotId": foreign.iot_id, **own}, "iot.common.AuthActionPermissionDeny"),
        ({**own, "DeviceName": foreign.name}, "iot.device.NotExistedDevice"),
        ({**own, "ProductKey": foreign.product}, "iot.common.AuthActionPermissionDeny"),
    ):
        refused(theirs, "QueryDeviceDetail", parameters, code, mine)


def test_no_apply_id_leads_to_another_accounts_batch(mine: Party, theirs: Party) -> None:
    last = max(mine.world.batch, theirs.world.batch) + 10
    for number in range(max(1, last - 250), last):
        answer = theirs.client.v1("QueryPageByApplyId", ApplyId=str(number))
        if number in {theirs.world.batch, theirs.world.imported}:
            assert answer.json["Success"]
        else:
            expect(answer, 200, "iot.device.DeviceApplyIsNotFound")


def test_accounts_may_use_the_same_names(mine: Party, theirs: Party) -> None:
    name = f"p_{uuid4().hex[:20]}"
    for owner in (mine, theirs):
        owner.client.call("CreateProduct", ProductName=name, NodeType="0")
        expect(
            owner.client.v1("CreateProduct", ProductName=name, NodeType="0"), 200, "iot.prod.AlreadyExistedProductName"
        )
    made = theirs.client.call("RegisterDevice", ProductKey=theirs.world.product, DeviceName=mine.world.name)
    assert made["Data"]["ProductKey"] == theirs.world.product


def test_a_client_token_is_its_accounts_own(mine: Party, theirs: Party) -> None:
    token = uuid4().hex
    made = []
    for owner in (mine, theirs):
        product = owner.client.call("CreateProduct", ProductName=f"p_{token[:20]}", NodeType="0")["ProductKey"]
        names = numbered("DeviceName", ["pump-1"])
        made += [
            owner.client.call("BatchCheckDeviceNames", ProductKey=product, ClientToken=token, **names)["Data"][
                "ApplyId"
            ]
            for _ in range(2)
        ]
    assert made[0] == made[1] != made[2] == made[3]


def test_every_operation_has_the_role_that_is_written_here() -> None:
    assert set(AT_LEAST) == set(OPERATIONS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("action", "needed"), AT_LEAST.items())
def test_a_role_may_do_only_what_it_is_for(
    mine: Party, keys: dict[str, Client], action: str, needed: str, role: str
) -> None:
    denied = ROLES.index(role) < ROLES.index(needed)
    for parameters in ({}, mine.world.good(action)) if denied else ({},):
        answers = [
            post(keys[role], action, parameters),
            post(keys[role], action, parameters, Format="XML"),
            keys[role].acs3(action, query=parameters),
        ]
        for answer in answers:
            if denied:
                message = expect(answer, 200, "iot.common.RamActionPermissionDeny")["ErrorMessage"]
                assert message == f"The access key's role is {role}; {action} needs the role {needed}."
            else:
                assert "iot.common.RamActionPermissionDeny" not in answer.text


def test_a_role_is_not_raised_by_naming_another_action(keys: dict[str, Client], mine: Party) -> None:
    reader = keys["reader"]
    parameters = mine.world.good("RegisterDevice", DeviceName="never-created")
    query = signed(reader, "RegisterDevice", parameters)
    header = {"x-acs-action": "QueryProduct"}
    expect(reader.raw("POST", f"/?{urlencode(query)}", headers=header), 200, "iot.common.RamActionPermissionDeny")
    answer = reader.acs3("RegisterDevice", query={**parameters, "Action": "QueryProduct"})
    expect(answer, 200, "iot.common.RamActionPermissionDeny")


def test_the_action_of_a_v1_call_is_its_signed_one(mine: Party) -> None:
    query = signed(mine.client, "QueryProduct", {"ProductKey": mine.world.product})
    answer = mine.client.raw("POST", f"/?{urlencode(query)}", headers={"x-acs-action": "CreateProduct"})
    assert answer.json["Data"]["ProductKey"] == mine.world.product


def test_a_disabled_key_is_refused_at_once(server: Server, theirs: Party) -> None:
    key = server.key("admin")
    expect(key.v1("QueryProduct"), 400, "MissingProductKey")
    assert server.keys("disable", key.key_id).returncode == 0
    expect(key.v1("QueryProduct"), 400, "InvalidAccessKeyId.Inactive")
    expect(key.acs3("QueryProduct"), 400, "InvalidAccessKeyId.Inactive")
    expect(key.v1("QueryProduct", Format=None), 400, "InvalidAccessKeyId.Inactive")
    expect(theirs.client.v1("QueryProduct"), 400, "MissingProductKey")
    expect(server.root.v1("QueryProduct"), 400, "MissingProductKey")


def test_a_key_that_there_is_not(server: Server) -> None:
    nobody = Client(server.port, "NPnobody", "root-key-secret")
    expect(nobody.v1("QueryProduct"), 404, "InvalidAccessKeyId.NotFound")
    expect(nobody.acs3("QueryProduct"), 404, "InvalidAccessKeyId.NotFound")
