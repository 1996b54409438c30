"""The vendor's calls per second, per account and operation, and the IotInstanceId of a call: over the wire."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nameplate.domain.rates import RATES, Rates
from nameplate.wire.operation import OPERATIONS
from tests.support.account import operations
from tests.support.server import Server
from tests.support.session import Session
from tests.support.wire import expect, post

assert operations  # importing it declares every operation

INSTANCE = "iot-060a0000"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("limited") / "data", quotas="vendor", instance_id=INSTANCE).start()
    yield running
    assert running.stop() == 0


def test_every_operation_has_a_rate() -> None:
    assert RATES.keys() == OPERATIONS.keys()


def test_so_many_calls_a_second_and_the_next_second_as_many_again() -> None:
    rates = Rates()

    def allowed(second: int, account: int = 1, action: str = "UpdateProduct", **parameters: str) -> int:
        calls = [rates.exceeded(account, action, parameters, second * 1000 + number) for number in range(60)]
        return calls.count(None)

    assert allowed(5) == 10
    assert allowed(5) == 0
    assert allowed(5, account=2) == 10
    assert allowed(5, action="QueryProduct") == 50
    assert allowed(6) == 10
    assert allowed(7, action="QueryDevice", CurrentPage="1000", PageSize="100") == 2
    assert allowed(7, action="QueryDevice", CurrentPage="999", PageSize="100") == 50
    assert allowed(7, action="QueryDevice", CurrentPage="x" * 99, PageSize="-1") == 0
    assert allowed(7, action="Unknown") == 60


def test_of_many_threads_no_more_than_the_rate_get_through() -> None:
    rates = Rates()
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: rates.exceeded(1, "RegisterDevice", {}, 1000), range(400)))
    assert seen.count(None) == RATES["RegisterDevice"]


def test_calls_beyond_the_rate_are_refused_until_the_next_second(limited: Server) -> None:
    other = limited.key("reader", "other")
    with Session.of(limited.root) as client, Session.of(other) as others:
        answers = [client.v1("BatchQueryDeviceDetail", ProductKey="a1b2c3d4e5f") for _ in range(40)]
        codes = Counter(answer.code for answer in answers)
        assert codes["Throttling.User"] > 0
        assert codes["iot.prod.NotExistedProduct"] >= RATES["BatchQueryDeviceDetail"]
        # Another account's calls are counted apart.
        assert others.v1("BatchQueryDeviceDetail", ProductKey="a1b2c3d4e5f").code == "iot.prod.NotExistedProduct"
    refused = next(answer for answer in answers if answer.code == "Throttling.User")
    assert "BatchQueryDeviceDetail may be called 5 times" in expect(refused, 400, "Throttling.User")["Message"]


def test_without_the_setting_nobody_is_slowed_down(server: Server) -> None:
    with Session.of(server.root) as client:
        codes = {client.v1("BatchQueryDeviceDetail", ProductKey="a1b2c3d4e5f").code for _ in range(40)}
    assert codes == {"iot.prod.NotExistedProduct"}


@pytest.mark.parametrize("instance", [INSTANCE, "", None])
def test_a_call_for_this_instance_or_for_none_is_answered(limited: Server, instance: str | None) -> None:
    answer = post(limited.root, "QueryProduct", ProductKey="a1b2c3d4e5f", IotInstanceId=instance)
    expect(answer, 200, "iot.prod.NotExistedProduct")


@pytest.mark.parametrize("instance", ["iot-other", INSTANCE.upper(), f"{INSTANCE} ", "nul\0", "a" * 10_000])
@pytest.mark.parametrize("action", ["QueryProduct", "CreateProduct", "RegisterDevice"])
def test_a_call_for_another_instance_is_refused(limited: Server, action: str, instance: str) -> None:
    answer = post(limited.root, action, ProductKey="a1b2c3d4e5f", IotInstanceId=instance)
    expect(answer, 200, "iot.Sre.IotInstanceNotFound")


def test_where_no_instance_is_configured_one_is_refused_and_that_said(server: Server) -> None:
    answer = post(server.root, "QueryProduct", ProductKey="a1b2c3d4e5f", IotInstanceId=INSTANCE)
    assert "NAMEPLATE_INSTANCE_ID" in expect(answer, 200, "iot.Sre.IotInstanceNotFound")["ErrorMessage"]


@pytest.mark.parametrize("total", ["", "0", "9" * 18, "9" * 19, "9" * 20, "-1", "٣", "1.5", "9" * 5_000])
def test_a_next_token_that_was_made_up_is_refused_or_harmless(server: Server, product: str, total: str) -> None:
    """Whoever knows an IotId knows half of one."""
    iot_id = server.root.call("RegisterDevice", ProductKey=product)["Data"]["IotId"]
    answer = post(server.root, "QueryDevice", ProductKey=product, NextToken=iot_id[:20] + total)
    if total in {"0", "9" * 18}:
        assert answer.json["Data"] == {"DeviceInfo": []}
    else:
        expect(answer, 200, "iot.common.InvalidPageParams")


def test_no_answer_of_the_link_holds_a_trace(server: Server) -> None:
    for target in ("/certs/1.zip", "/certs/x.zip?Expires=1&Signature=%FF", "/certs/" + "9" * 400 + ".zip?Expires=1"):
        assert server.root.raw("GET", target).status == 403
    assert server.root.raw("GET", "/certs/../../etc/passwd").status == 404
