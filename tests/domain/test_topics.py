"""A device's own topics, and its product's rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.domain.device_auth import Identity
from nameplate.domain.topics import Action, Rule, allowed, is_filter, is_own, own_filters

DEVICE = Identity("a1BwAGVabcd", "light1")
BOTH = (Action.PUBLISH, Action.SUBSCRIBE)

OWN = [
    "/sys/a1BwAGVabcd/light1/thing/event/property/post",
    "/a1BwAGVabcd/light1/user/get",
    "/a1BwAGVabcd/light1",
    "/ota/device/inform/a1BwAGVabcd/light1",
    "/ext/ntp/a1BwAGVabcd/light1/request",
    "/ext/session/a1BwAGVabcd/light1/combine/batch_login",
    "/ext/rrpc/876/a1BwAGVabcd/light1/user/get",
    "/ext/rrpc/876/sys/a1BwAGVabcd/light1/thing",
    "/shadow/update/a1BwAGVabcd/light1",
]
OWN_FILTERS = [
    "/sys/a1BwAGVabcd/light1/#",
    "/sys/a1BwAGVabcd/light1/+/user/#",
    "/a1BwAGVabcd/light1/#",
    "/ext/rrpc/+/a1BwAGVabcd/light1/#",
    "/ext/rrpc/+/sys/a1BwAGVabcd/light1/+",
    "/broadcast/a1BwAGVabcd/#",
    "$share/group//a1BwAGVabcd/light1/#",
]
OTHERS = [
    "#",
    "+/#",
    "/#",
    "/+/+/light1/#",
    "/sys/#",
    "/sys/a1BwAGVabcd/+/thing",
    "/sys/a1BwAGVabcd/#",
    "/sys/a1BwAGVabcd/light2/thing",
    "/sys/a1BwAGVabcd/light11/thing",
    "/sys/+/light1/thing",
    "/a1BwAGVabcd/+/user/get",
    "/a1BwAGVabce/light1/user/get",
    "sys/a1BwAGVabcd/light1/thing",
    "//sys/a1BwAGVabcd/light1/thing",
    "/ext/rrpc/#",
    "/ext/rrpc/+/#",
    "/ext/rrpc/1/a1BwAGVabcd/light2/user",
    "/ext/+/a1BwAGVabcd/light1",
    "/ext/register",
    "/ota/device/+/a1BwAGVabcd/light1",
    "/ota/device/upgrade/a1BwAGVabcd/light2",
    "/broadcast/a1BwAGVabce/all",
    "$SYS/broker/clients",
    "$share/group//sys/a1BwAGVabcd/light2/#",
    "$share/group",
    "$share/",
    "/sys/a1BwAGVabcd/light1/a#",
    "/sys/a1BwAGVabcd/light1/#/b",
    "/sys/a1BwAGVabcd/light1/\0",
    "",
    "/sys/a1BwAGVabcd/light1/" + "x" * 1_024,
]


@pytest.mark.parametrize("topic", OWN)
@pytest.mark.parametrize("action", BOTH)
def test_its_own_topics_are_a_devices(action: Action, topic: str) -> None:
    assert is_own(DEVICE, action, topic)


@pytest.mark.parametrize("topic", OWN_FILTERS)
def test_a_filter_within_its_own_topics_may_be_subscribed_to_and_not_published_to(topic: str) -> None:
    assert is_own(DEVICE, Action.SUBSCRIBE, topic)
    assert not is_own(DEVICE, Action.PUBLISH, topic)


@pytest.mark.parametrize("topic", OTHERS)
@pytest.mark.parametrize("action", BOTH)
def test_no_other_topic_is(action: Action, topic: str) -> None:
    assert not is_own(DEVICE, action, topic)


def test_what_brokers_are_told_of_a_devices_topics_is_what_it_may_use() -> None:
    for action, text in own_filters(DEVICE):
        topic = text.replace("#", "x/y").replace("+", "z")
        assert is_filter(text)
        assert is_own(DEVICE, Action.SUBSCRIBE, topic)
        assert is_own(DEVICE, Action.PUBLISH, topic) == (action is None)


def is_allowed(identity: Identity, action: Action, topic: str, rules: list[Rule]) -> bool:
    return bool(allowed(identity, action, [topic], rules))


RULES = [
    Rule(Action.SUBSCRIBE, "/fleet/${productKey}/#"),
    Rule(Action.PUBLISH, "/logs/+/${deviceName}"),
    Rule(Action.SUBSCRIBE, "#"),
]


@pytest.mark.parametrize(
    ("action", "topic", "expected"),
    [
        (Action.SUBSCRIBE, "/fleet/a1BwAGVabcd/news", True),
        (Action.SUBSCRIBE, "/fleet/a1BwAGVabcd/+/#", True),
        (Action.PUBLISH, "/fleet/a1BwAGVabcd/news", False),
        (Action.PUBLISH, "/logs/today/light1", True),
        (Action.PUBLISH, "/logs/today/light2", False),
        (Action.PUBLISH, "/logs/today/light1/more", False),
        (Action.PUBLISH, "/logs/today", False),
        (Action.SUBSCRIBE, "/anything/else", True),
        (Action.SUBSCRIBE, "$SYS/broker", False),
    ],
)
def test_a_products_rules_allow_more(action: Action, topic: str, *, expected: bool) -> None:
    assert is_allowed(DEVICE, action, topic, RULES) == expected


def test_a_rule_with_a_wildcard_does_not_cover_a_wider_one() -> None:
    assert not is_allowed(DEVICE, Action.SUBSCRIBE, "/a/#", [Rule(Action.SUBSCRIBE, "/a/+")])
    assert is_allowed(DEVICE, Action.SUBSCRIBE, "/a/+", [Rule(Action.SUBSCRIBE, "/a/+")])
    assert not is_allowed(DEVICE, Action.SUBSCRIBE, "/+", [Rule(Action.SUBSCRIBE, "/a")])


def test_of_several_filters_those_are_allowed_that_a_rule_covers() -> None:
    rules = [Rule(Action.SUBSCRIBE, "/a/${deviceName}/+"), Rule(Action.PUBLISH, "/b/#"), Rule(Action.SUBSCRIBE, "/c")]
    asked = ["/a/light1/x", "/a/light2/x", "/b/x", "/c", "#", "$share/g", "$share/g//c"]
    assert allowed(DEVICE, Action.SUBSCRIBE, asked, rules) == {"/a/light1/x", "/c", "$share/g//c"}


@pytest.mark.parametrize("wide", ["#", "+/#", "+/x"])
@pytest.mark.parametrize("action", BOTH)
def test_a_rule_that_begins_with_a_wildcard_does_not_cover_the_brokers_own_topics(action: Action, wide: str) -> None:
    assert is_allowed(DEVICE, action, "a/x", [Rule(action, wide)])
    assert not is_allowed(DEVICE, action, "$SYS/x", [Rule(action, wide)])
    assert not is_allowed(DEVICE, action, "$share/group", [Rule(action, wide)])


LEVELS = st.sampled_from(["", "sys", "ext", "rrpc", "a1BwAGVabcd", "light1", "light2", "+", "#", "x"])


def matches(pattern: list[str], levels: list[str]) -> bool:
    """What MQTT says of a filter and a topic."""
    for place, level in enumerate(pattern):
        if level == "#":
            return True
        if place >= len(levels) or (level not in ("+", levels[place])):
            return False
    return len(pattern) == len(levels)


@given(st.lists(LEVELS, min_size=1, max_size=7), st.lists(LEVELS, min_size=1, max_size=7))
def test_whoever_may_subscribe_receives_no_topic_that_is_not_its_own(pattern: list[str], levels: list[str]) -> None:
    topic, text = "/".join(levels), "/".join(pattern)
    if is_own(DEVICE, Action.SUBSCRIBE, text) and not {"+", "#"} & set(levels) and matches(pattern, levels):
        assert is_own(DEVICE, Action.SUBSCRIBE, topic)
