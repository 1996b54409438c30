"""What RabbitMQ's events say, as its versions write them; those of 3.10.8 as they were received."""

from typing import Any

import pytest

from nameplate.brokers.rabbitmq_events import CLOSED, CREATED, read_address, read_client_id, read_event, read_process

PID = "<rabbit@broker-1.example.com.1795656305.738.0>"
PEER = "8c33917cf4167ceb.1795656305.738.0"
CLIENT = "any|securemode=3,signmethod=hmacsha256|"
V3_10: dict[str, Any] = {
    "ssl": False, "client_properties": [], "frame_max": 0, "channel_max": 1, "channels": 1,
    "variable_map": f'#{{<<"client_id">> => <<"{CLIENT}">>}}', "user_who_performed_action": "light&HPzUtIDy3F2",
    "node": "rabbit@broker-1.example.com", "connected_at": 1795656319805, "type": "direct", "vhost": "/",
    "user": "light&HPzUtIDy3F2", "peer_port": 37165, "peer_host": "{127,0,0,1}",
    "name": "127.0.0.1:37165 -> 127.0.0.1:38801", "port": 38801, "host": "{127,0,0,1}",
    "protocol": "{'MQTT',\"3.1.1\"}", "pid": PID, "timestamp_in_ms": 1795656319841,
}  # fmt: skip
V4: dict[str, Any] = {
    "protocol": "{'Web MQTT',{5,0}}", "node": "rabbit@broker-1.example.com", "vhost": "/", "user": "light&HPzUtIDy3F2",
    "client_properties": [f'{{client_id,longstr,<<"{CLIENT}">>}}'], "pid": PID,
    "peer_host": "{0,0,0,0,0,65535,32512,1}",
    "peer_port": 37165, "name": "127.0.0.1:37165 -> 127.0.0.1:38801", "timestamp_in_ms": 1795656319841,
}  # fmt: skip


@pytest.mark.parametrize("headers", [V3_10, V4], ids=["3.10", "4"])
@pytest.mark.parametrize("kind", [CREATED, CLOSED])
def test_a_device_is_told_with_all_that_is_known(headers: dict[str, Any], kind: str) -> None:
    assert read_event(kind, headers) == {
        "connected": kind == CREATED,
        "peer": PEER,
        "at": 1795656319841,
        "username": "light&HPzUtIDy3F2",
        "client_id": CLIENT,
        "address": "127.0.0.1",
    }


def test_an_end_may_name_nothing_but_its_process() -> None:
    assert read_event(CLOSED, {"name": "x", "node": "y", "pid": PID, "timestamp_in_ms": 1}) == {
        "connected": False,
        "peer": PEER,
        "at": 1,
    }


def test_of_other_protocols_only_the_process_is_told() -> None:
    other = {"pid": PID, "protocol": "{0,9,1}", "user": "operator", "peer_host": "{127,0,0,1}"}
    assert read_event(CREATED, other) == {"connected": True, "peer": PEER}


@pytest.mark.parametrize("pid", [None, "", "<1.2.3>", b"<rabbit@x.1.2.3>", 7])
def test_without_a_process_nothing_is_told(pid: object) -> None:
    assert read_event(CREATED, {**V3_10, "pid": pid}) is None


@pytest.mark.parametrize("client_id", ["x" * 513, "a\\0", "a\0b"])
def test_a_client_id_that_no_hook_takes_is_left_out(client_id: str) -> None:
    told = read_event(CREATED, {**V3_10, "variable_map": f'#{{<<"client_id">> => <<"{client_id}">>}}'})
    assert told is not None
    assert told["client_id"] in (PEER, "a0")


def test_a_user_name_that_no_hook_takes_is_left_out() -> None:
    told = read_event(CREATED, {**V3_10, "user": "x" * 257})
    assert told is not None
    assert told["username"] == ""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"variable_map": '#{<<"a">> => 1,<<"client_id">> => <<"one">>}'}, "one"),
        ({"variable_map": r'#{<<"client_id">> => <<"say \"hi\" \\ \t">>}'}, 'say "hi" \\ \t'),
        ({"variable_map": '#{<<"client_id">> => <<"灯"/utf8>>}'}, "灯"),
        ({"variable_map": '#{<<"client_id">> => <<231,129,175>>}'}, "灯"),
        ({"variable_map": '#{<<"client_id">> => <<255>>}'}, ""),
        ({"variable_map": '#{<<"client_id">> => <<999>>}'}, ""),
        (
            {"variable_map": r'#{<<"client_id">> => <<"<<\"client_id\">> => <<\"two\">>">>}'},
            '<<"client_id">> => <<"two">>',
        ),
        ({"variable_map": b"\xff", "client_properties": ['{client_id,longstr,<<"three">>}']}, "three"),
        ({"client_properties": [7, '{product,longstr,<<"x">>}', '{client_id,longstr,<<"four">>}']}, "four"),
        ({"client_properties": {"client_id": "five"}}, "five"),
        ({"client_properties": {"client_id": 5}}, ""),
        ({}, ""),
    ],
)
def test_a_client_id_is_found(headers: dict[str, Any], expected: str) -> None:
    assert read_client_id(headers) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{10,0,0,7}", "10.0.0.7"),
        ("{8193,3512,0,0,0,0,0,1}", "2001:db8::1"),
        ("{0,0,0,0,0,65535,2560,7}", "10.0.0.7"),
        ("{10,0,0,700}", ""),
        ("{70000,0,0,0,0,0,0,1}", ""),
        ("{10,0,0}", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_an_address_is_read(text: str, expected: str) -> None:
    assert read_address(text) == expected


def test_a_node_that_is_started_again_has_another_life() -> None:
    before, after = read_process("<rabbit@a.1.2.3>"), read_process("<rabbit@a.2.2.3>")
    other = read_process("<rabbit@b.1.2.3>")
    assert before
    assert after
    assert other
    assert before.split(".")[0] == after.split(".")[0] != other.split(".")[0]
    assert before.split(".")[1:] == ["1", "2", "3"]
    assert max(len(peer) for peer in (before, after, other)) <= 64
