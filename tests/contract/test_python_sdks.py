"""The vendor's Python SDKs, unmodified, over a socket."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from aliyunsdkcore.acs_exception.exceptions import ServerException

from tests.support.sdks.contract import MIXED_ROWS, SdkContract, sync_server
from tests.support.sdks.python import PythonCore, PythonTea, PythonTeaV1
from tests.support.sdks.sdk import Sdk
from tests.support.server import Server

__all__ = ["sync_server"]

TEA = (PythonTea, PythonTeaV1)


@pytest.fixture(scope="module", params=(PythonCore, *TEA))
def sdk(request: pytest.FixtureRequest, server: Server) -> Iterator[Sdk]:
    with closing(request.param(server)) as client:
        yield client


class TestPythonSdks(SdkContract):
    pass


def test_core_tells_its_user_that_the_secret_is_wrong(server: Server) -> None:
    # It does so only if the server's string to sign is, to the letter, its own: so the call has what is hard to encode.
    with closing(PythonCore(server, secret="wrong")) as sdk, pytest.raises(ServerException) as raised:
        sdk.answer("BatchCheckDeviceNames", ProductKey="a b+c*~/é", DeviceNameList=MIXED_ROWS)
    error = raised.value
    assert (error.get_http_status(), error.get_error_code()) == (400, "InvalidAccessKeySecret")
    assert error.get_error_msg() == (
        "The AccessKeySecret is incorrect. Please check your AccessKeyId and AccessKeySecret."
    )
    assert len(error.get_request_id()) == 36


def test_core_raises_that_an_access_key_is_unknown(server: Server) -> None:
    with closing(PythonCore(server, key_id="unknown")) as sdk, pytest.raises(ServerException) as raised:
        sdk.answer("QueryProduct", ProductKey="a1B2c3D4e5F")
    error = raised.value
    assert (error.get_http_status(), error.get_error_code()) == (404, "InvalidAccessKeyId.NotFound")
    assert error.get_error_msg() == "Specified access key is not found."
    assert len(error.get_request_id()) == 36


@pytest.mark.parametrize(
    ("client", "signed"),
    [(PythonTea, "POST\n/\nProductKey=a1B2"), (PythonTeaV1, "POST&%2F&AccessKeyId%3D")],
    ids=["acs3", "v1"],
)
def test_tea_raises_that_a_signature_does_not_match_with_what_the_server_has_signed(
    client: type[PythonTea], signed: str, server: Server
) -> None:
    with closing(client(server, secret="wrong")) as sdk, pytest.raises(ClientException) as raised:
        sdk.answer("QueryProduct", ProductKey="a1B2c3D4e5F")
    message = "Specified signature is not matched with our calculation. server string to sign is:"
    check_tea(raised.value, server, 400, "SignatureDoesNotMatch", message + signed)


@pytest.mark.parametrize("client", TEA)
def test_tea_raises_that_an_access_key_is_unknown(client: type[PythonTea], server: Server) -> None:
    with closing(client(server, key_id="unknown")) as sdk, pytest.raises(ClientException) as raised:
        sdk.answer("QueryProduct", ProductKey="a1B2c3D4e5F")
    check_tea(raised.value, server, 404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")


def check_tea(error: ClientException, server: Server, status: int, code: str, message: str) -> None:
    """Every attribute of the exception; `message` is how the server's text begins."""
    host = f"127.0.0.1:{server.port}"
    request_id, text = error.request_id, error.data["Message"]
    assert len(request_id) == 36
    assert text.startswith(message)
    assert (error.status_code, error.code) == (status, code)
    assert error.message == f"code: {status}, {text} request id: {request_id}"
    assert error.data == {
        "RequestId": request_id,
        "HostId": host,
        "Code": code,
        "Message": text,
        "Recommend": f"http://{host}/errors?Keyword={code}",
        "statusCode": status,
    }
