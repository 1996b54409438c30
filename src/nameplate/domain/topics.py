"""Which topics a device may use: its own, as the platform lays them out, and what its product allows beyond.

A filter that a device subscribes to may hold wildcards, but none that reaches beyond what is the device's own.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from nameplate.domain.device_auth import Identity

MOST_BYTES: Final = 1_024
"""A longer topic is nobody's; the platform's own bound is 128."""

MOST_FILTERS: Final = 256
"""How many filters one SUBSCRIBE may have; the platform's own bound is 100."""

_WILD: Final = ("+", "#")
_SHARED: Final = "$share/"
_SHARED_LEVELS: Final = 2


class Action(StrEnum):
    """What is done with a topic."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"


class Rule(NamedTuple):
    """A filter that all devices of a product may publish or subscribe to.

    `${productKey}` and `${deviceName}` in it stand for the device's.
    """

    action: Action
    filter: str


def is_own(identity: Identity, action: Action, topic: str) -> bool:
    """Whether a topic, or every topic of a filter, is the device's own."""
    levels = _levels(action, topic)
    return levels is not None and _is_own(identity, action, levels)


def allowed(identity: Identity, action: Action, topics: Iterable[str], rules: Iterable[Rule]) -> set[str]:
    """Return those of some topics that a product's rules allow, and of some filters those that they allow whole."""
    wide = [fill(rule.filter, identity).split("/") for rule in rules if rule.action == action]
    split = {topic: _levels(action, topic) for topic in topics}
    return {topic for topic, levels in split.items() if levels and any(_covers(rule, levels) for rule in wide)}


def own_filters(identity: Identity) -> list[tuple[Action | None, str]]:
    """Return filters for all that is a device's own, for brokers that keep lists; None is both actions."""
    key, name = identity
    both = [f"/sys/{key}/{name}/#", f"/{key}/{name}/#", f"/ota/device/+/{key}/{name}", f"/shadow/+/{key}/{name}"]
    both += [f"/ext/+/{key}/{name}/#", f"/ext/rrpc/+/{key}/{name}/#", f"/ext/rrpc/+/sys/{key}/{name}/#"]
    return [*((None, text) for text in both), (Action.SUBSCRIBE, f"/broadcast/{key}/#")]


def fill(text: str, identity: Identity) -> str:
    """Put a device's names into a rule's filter."""
    return text.replace("${productKey}", identity.product_key).replace("${deviceName}", identity.device_name)


def is_filter(text: str) -> bool:
    """Whether a text is a topic filter as MQTT has them: `+` a whole level, `#` the last one."""
    levels = text.split("/")
    if not text or len(text.encode()) > MOST_BYTES or "\0" in text or "#" in levels[:-1]:
        return False
    return all(level in _WILD or not any(wild in level for wild in _WILD) for level in levels)


def _levels(action: Action, topic: str) -> list[str] | None:
    """Split a topic or filter; None if it is not one that anybody may use."""
    if not is_filter(topic):
        return None
    levels = topic.split("/")
    if action is Action.PUBLISH:
        return None if any(level in _WILD for level in levels) else levels
    if topic.startswith(_SHARED):
        # Without a filter behind the group it is nobody's.
        return levels[_SHARED_LEVELS:] or None
    return levels


def _is_own(identity: Identity, action: Action, levels: Sequence[str]) -> bool:
    names = [identity.product_key, identity.device_name]
    match levels:
        case ["", "broadcast", key, *_]:
            return key == identity.product_key and action is Action.SUBSCRIBE
        case ["", "ext", "rrpc", message, "sys", *rest] | ["", "ext", "rrpc", message, *rest] if message != "#":
            return rest[:2] == names
        case ["", "ota", "device", what, *rest] | ["", "shadow" | "ext", what, *rest] if what not in _WILD:
            return rest[:2] == names
        case ["", "sys", *rest] | ["", *rest]:
            return rest[:2] == names
    return False


def _covers(rule: Sequence[str], levels: Sequence[str]) -> bool:
    """Whether every topic that a filter matches, or the one topic, is matched by the rule's filter too."""
    if rule[0] in _WILD and levels[0].startswith("$"):
        # A filter that begins with a wildcard matches none of the broker's own topics.
        return False
    for place, level in enumerate(rule):
        if level == "#":
            return True
        if place >= len(levels) or levels[place] == "#" or (level != "+" and level != levels[place]):
            return False
    return len(rule) == len(levels)
