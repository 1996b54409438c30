"""What a listener tells of RabbitMQ's connections, without one: many events at once, written when they are answered."""

import time
from typing import Any

import pytest

from tests.support.devices import FieldDevice, Hooks, status
from tests.support.disk import wait_until
from tests.support.server import Server
from tests.support.signer import Client

HOOK = "/brokers/rabbitmq/events"


def came(device: FieldDevice, peer: str, address: str = "10.0.0.1", **more: object) -> dict[str, Any]:
    named = {"username": device.username, "client_id": more.pop("client_id", "c"), "address": address}
    return {"connected": True, "peer": peer, **named, **more}


def went(peer: str, **more: object) -> dict[str, Any]:
    return {"connected": False, "peer": peer, **more}


def tell(hooks: Hooks, *events: dict[str, Any]) -> None:
    assert hooks.post(HOOK, {"events": list(events)}).json == {"allow": True, "reason": "allowed"}


def test_what_is_answered_is_written(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    for _ in range(2):
        tell(hooks, came(device, "n.1.1.0"))
        assert status(root, device) == "ONLINE"
        tell(hooks, went("n.1.1.0"))
        assert status(root, device) == "OFFLINE"


def test_an_end_is_found_among_what_was_told_with_it(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    tell(hooks, came(device, "n.1.1.0"), went("n.1.1.0"), came(device, "n.1.2.0"))
    assert status(root, device) == "ONLINE"
    tell(hooks, went("n.1.2.0"), came(device, "n.1.3.0"), went("n.1.3.0"))
    assert status(root, device) == "OFFLINE"


def test_what_is_told_again_comes_to_the_same(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    told = [came(device, "n.1.1.0"), came(device, "n.1.2.0"), went("n.1.1.0")]
    for _ in range(2):
        tell(hooks, *told)
        assert status(root, device) == "ONLINE"
    tell(hooks, went("n.1.2.0"))
    tell(hooks, went("n.1.2.0"))
    assert status(root, device) == "OFFLINE"


def test_an_end_whose_beginning_was_lost_counts_if_it_names_the_device(
    hooks: Hooks, root: Client, device: FieldDevice
) -> None:
    assert hooks.admits(device)
    tell(hooks, went("n.1.1.0"))
    assert status(root, device) == "ONLINE"
    tell(hooks, went("n.1.1.0", username=device.username))
    assert status(root, device) == "OFFLINE"


def test_events_have_their_own_time_but_none_that_is_to_come(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    names = {"ProductKey": device.product_key, "DeviceName": device.name}

    def since() -> int:
        return int(root.call("GetDeviceStatus", **names)["Data"]["Timestamp"])

    tell(hooks, came(device, "n.1.1.0", at=1_700_000_000_000))
    assert since() == 1_700_000_000_000
    tell(hooks, went("n.1.1.0", at=1_700_000_060_000))
    assert since() == 1_700_000_060_000
    tell(hooks, came(device, "n.1.2.0", at=1_700_000_120_000), went("n.1.2.0"), came(device, "n.1.3.0", at=10**18))
    assert abs(since() - time.time() * 1000) < 60_000  # noqa: TID251 (what a test compares with)


def test_a_node_that_has_been_started_again_has_no_connections_from_before(
    hooks: Hooks, root: Client, device: FieldDevice
) -> None:
    for stays in ("n.1.2.0", "n.10.2.0", "m.1.2.0", "10.0.0.1:1", ""):
        client_ids = {"client_id": "stays"} if stays else {}
        others = [came(device, stays, **client_ids)] if stays else []
        tell(hooks, came(device, "n.1.1.0"), *others)
        tell(hooks, {"connected": True, "peer": "n.2.9.0"})
        is_gone = stays in ("", "n.1.2.0", "n.10.2.0")
        assert status(root, device) == ("OFFLINE" if is_gone else "ONLINE")
        tell(hooks, went(stays or "n.1.1.0"))
        assert status(root, device) == "OFFLINE"


def test_what_was_told_before_a_node_was_started_is_over_too(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    tell(hooks, came(device, "n.1.1.0"), {"connected": True, "peer": "n.2.1.0"})
    assert status(root, device) == "OFFLINE"
    tell(hooks, came(device, "n.2.1.0"), went("n.2.7.0"))
    assert status(root, device) == "ONLINE"


def test_two_addresses_are_a_clone(hooks: Hooks, server: Server, device: FieldDevice) -> None:
    tell(hooks, came(device, "n.1.1.0", client_id="one"), came(device, "n.1.2.0", "10.0.0.2", client_id="two"))
    wait_until(
        lambda: f"clone product_key={device.product_key} device_name={device.name} address=10.0.0.2" in server.log
    )


def test_who_is_no_device_is_left_out(hooks: Hooks, root: Client, device: FieldDevice) -> None:
    stranger = {"connected": True, "peer": "n.1.1.0", "username": "operator", "client_id": "c"}
    absent = {**stranger, "username": f"nobody&{device.product_key}"}
    tell(hooks, stranger, absent, {**came(device, "n.1.2.0"), "client_id": "x" * 513}, came(device, "n.1.3.0"))
    assert status(root, device) == "ONLINE"


@pytest.mark.parametrize(
    "events",
    [None, {}, [7], [{}], [{"peer": 7}], [{"peer": "n", "at": "now"}], [{"peer": "n", "at": -1}], [{"peer": "a\0"}]],
)
def test_what_is_no_list_of_events_is_refused(hooks: Hooks, events: object) -> None:
    assert hooks.post(HOOK, {"events": events}).status == 400
