"""The vendor's Node SDKs, unmodified, over a socket."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.sdks.contract import SdkContract, sync_server
from tests.support.sdks.node import NodeError, NodeSdk, NodeTea, PopCore, PopCorePost, need_modules
from tests.support.sdks.sdk import Sdk
from tests.support.server import Server

__all__ = ["sync_server"]

POP_CORE = (PopCore, PopCorePost)
MISMATCH = "Specified signature is not matched with our calculation. server string to sign is:"


@pytest.fixture(scope="module", autouse=True)
def modules() -> None:
    need_modules()


@pytest.fixture(scope="module", params=(*POP_CORE, NodeTea))
def sdk(request: pytest.FixtureRequest, server: Server) -> Iterator[Sdk]:
    with closing(request.param(server)) as client:
        yield client


class TestNodeSdks(SdkContract):
    pass


def thrown(sdk: NodeSdk, action: str, **parameters: object) -> NodeError:
    """What the SDK throws at a call."""
    with closing(sdk), pytest.raises(NodeError) as raised:
        sdk.exchange(action, parameters)
    return raised.value


@pytest.mark.parametrize("client", POP_CORE)
def test_pop_core_throws_a_refusal_with_its_code_and_the_answer(client: type[PopCore], server: Server) -> None:
    error = thrown(client(server), "QueryPageByApplyId", ApplyId=999_999_999)
    code = "iot.device.DeviceApplyIsNotFound"
    assert (error.name, error.code) == (f"{code}Error", code)
    # It looks for a Message, which the vendor's operations do not send either.
    assert error.message.startswith(f"undefined, URL: http://127.0.0.1:{server.port}/")
    assert error.data == {
        "RequestId": error.data["RequestId"],
        "Success": False,
        "Code": code,
        "ErrorMessage": "The ApplyId does not exist.",
    }


@pytest.mark.parametrize(
    ("client", "signed"), [(PopCore, "GET&%2F&AccessKeyId"), (PopCorePost, "POST&%2F&AccessKeyId")]
)
def test_pop_core_throws_that_a_signature_does_not_match_with_what_the_server_has_signed(
    client: type[PopCore], signed: str, server: Server
) -> None:
    error = thrown(client(server, secret="wrong"), "QueryProduct", ProductKey="a1B2c3D4e5F")
    check_pop_core(error, server, "SignatureDoesNotMatch", MISMATCH + signed)


@pytest.mark.parametrize("client", POP_CORE)
def test_pop_core_throws_that_an_access_key_is_unknown(client: type[PopCore], server: Server) -> None:
    error = thrown(client(server, key_id="unknown"), "QueryProduct", ProductKey="a1B2c3D4e5F")
    check_pop_core(error, server, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")


def test_tea_throws_that_a_signature_does_not_match_with_what_the_server_has_signed(server: Server) -> None:
    error = thrown(NodeTea(server, secret="wrong"), "QueryProduct", ProductKey="a1B2c3D4e5F")
    check_tea(error, server, 400, "SignatureDoesNotMatch", f"{MISMATCH}POST\n/\nProductKey=a1B2c3D4e5F\n")


def test_tea_throws_that_an_access_key_is_unknown(server: Server) -> None:
    error = thrown(NodeTea(server, key_id="unknown"), "QueryProduct", ProductKey="a1B2c3D4e5F")
    check_tea(error, server, 404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")


def check_pop_core(error: NodeError, server: Server, code: str, message: str) -> None:
    """Every property of the error; `message` is how the server's text begins."""
    assert (error.name, error.code) == (f"{code}Error", code)
    assert error.message.startswith(f"{error.data['Message']}, URL: http://127.0.0.1:{server.port}/")
    check_data(error, server, code, message)


def check_tea(error: NodeError, server: Server, status: int, code: str, message: str) -> None:
    """Every property of the error; `message` is how the server's text begins."""
    assert (error.name, error.code, error.status) == ("Error", code, status)
    text, request_id = error.data["Message"], error.data["RequestId"]
    assert error.message == f"{code}: code: {status}, {text} request id: {request_id}"
    assert error.data.pop("statusCode") == status
    check_data(error, server, code, message)


def check_data(error: NodeError, server: Server, code: str, message: str) -> None:
    host = f"127.0.0.1:{server.port}"
    assert error.data["Message"].startswith(message)
    assert len(error.data["RequestId"]) == 36
    assert error.data == {
        "RequestId": error.data["RequestId"],
        "HostId": host,
        "Code": code,
        "Message": error.data["Message"],
        "Recommend": f"http://{host}/errors?Keyword={code}",
    }
