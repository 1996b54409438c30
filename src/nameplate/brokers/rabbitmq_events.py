"""RabbitMQ's events of connections, as its plugin `rabbitmq_event_exchange` publishes them: what they say of devices.

An event is a message's headers, most of them Erlang terms written as text. Before RabbitMQ 3.12 the end of a connection
names nothing but its process, so that is what tells one connection from another.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from nameplate.domain.presence import CLIENT_ID_LENGTH

CREATED: Final = "connection.created"
CLOSED: Final = "connection.closed"

_PROCESS: Final = re.compile(r"<(.+)\.([0-9]+)\.([0-9]+)\.([0-9]+)>")
_TUPLE: Final = re.compile(r"\{([0-9]+(?:,[0-9]+)*)\}")
_IPV4_PARTS: Final = 4
_IPV6_PARTS: Final = 8
# In a binary that is written as text quotes are escaped, so no client id can look like another.
_CLIENT_ID: Final = re.compile(
    r'(?:<<"client_id">> => |\{client_id,longstr,)<<(?:"((?:[^"\\]|\\.)*)"(?:/utf8)?|([0-9,]+))>>'
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
_LONGEST_NAME: Final = 256


def read_event(kind: str, headers: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a server is told of an event (`rabbitmq_presence`), or None if it cannot be told whose it is."""
    peer = read_process(_text(headers, "pid"))
    if peer is None:
        return None
    told: dict[str, Any] = {"connected": kind == CREATED, "peer": peer}
    moment = headers.get("timestamp_in_ms")
    if isinstance(moment, int):
        told["at"] = int(moment)
    # Others say that their node has been started.
    if "MQTT" in _text(headers, "protocol"):
        told["username"] = _bounded(_text(headers, "user"), _LONGEST_NAME)
        told["client_id"] = _bounded(read_client_id(headers), CLIENT_ID_LENGTH) or peer
        told["address"] = read_address(_text(headers, "peer_host"))
    return told


def read_process(text: str) -> str | None:
    """Return a process as `node.life.number.serial`, in little space; `life` is another whenever a node is started."""
    found = _PROCESS.fullmatch(text)
    if found is None:
        return None
    node, *rest = found.groups()
    return ".".join([blake2b(node.encode(), digest_size=8).hexdigest(), *rest])


def read_address(text: str) -> str:
    """Return an address that is written as Erlang's tuple; empty if it is none."""
    found = _TUPLE.fullmatch(text)
    parts = [] if found is None else [int(part) for part in found[1].split(",")]
    try:
        if len(parts) == _IPV4_PARTS:
            return str(ip_address(bytes(parts)))
        if len(parts) == _IPV6_PARTS:
            address = IPv6Address(b"".join(part.to_bytes(2) for part in parts))
            return str(address.ipv4_mapped or address)
    except (ValueError, OverflowError):
        pass
    return ""


def read_client_id(headers: Mapping[str, Any]) -> str:
    """Return a connection's client id, wherever this version of RabbitMQ puts it; empty if it is not there."""
    properties = headers.get("client_properties")
    if isinstance(properties, dict):
        return _text(properties, "client_id")
    written = (
        [*properties, headers.get("variable_map")] if isinstance(properties, list) else [headers.get("variable_map")]
    )
    for text in written:
        found = _CLIENT_ID.search(text) if isinstance(text, str) else None
        if found is not None:
            return _unescaped(found[1]) if found[1] is not None else _decoded(found[2])
    return ""


def _bounded(text: str, longest: int) -> str:
    """Return a text that a hook takes, or an empty one: one connection must not keep the others from being told."""
    return "" if len(text) > longest or "\0" in text else text


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)


def _decoded(numbers: str) -> str:
    try:
        return bytes(int(number) for number in numbers.split(",")).decode()
    except ValueError:
        return ""


def _text(headers: Mapping[str, Any], name: str) -> str:
    value = headers.get(name)
    return value if isinstance(value, str) else ""
