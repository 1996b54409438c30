"""RabbitMQ: its HTTP authentication backend, asked by its MQTT plugin (docs/brokers/rabbitmq.md).

RabbitMQ writes a topic as a routing key, `/` as `.`. So a device whose name has a `.` would get its messages under
another topic, and another device could ask for them: it is not let in.
"""

from collections.abc import Callable
from typing import Final

from nameplate.brokers.answers import Answer, as_text
from nameplate.brokers.bodies import optional, read_form, text
from nameplate.brokers.check import Credentials, Reason, Verdict, identify
from nameplate.brokers.gate import Gate
from nameplate.domain.topics import Action
from nameplate.wire.request import Request

_EXCHANGE: Final = "amq.topic"
_QUEUE: Final = "mqtt-subscription-"
_WILL: Final = "mqtt-will-"
_ACTIONS: Final = {"write": Action.PUBLISH, "read": Action.SUBSCRIBE}
_TO_TOPIC: Final = str.maketrans(".*", "/+")


def user(gate: Gate, request: Request) -> Answer:
    """Whether a client may connect.

    Without a password it is the subject of a certificate that RabbitMQ has checked (`ssl_cert_login`). It sends nothing
    beside it, so that whether MQTT is spoken shows only when the virtual host is asked for.
    """
    fields = read_form(request)
    username, client_id = text(fields, "username"), optional(fields, "client_id")
    subject = "" if "password" in fields else username
    if not (client_id or subject):
        # Devices speak MQTT only; every other protocol is for the operator's own users.
        return _answer(Verdict(Reason.MALFORMED))
    identity = identify(username)
    if identity is not None and "." in identity.device_name:
        return _answer(Verdict(Reason.AMBIGUOUS_NAME, gate.check.find(username)))
    return _answer(gate.admit(Credentials(client_id, username, optional(fields, "password"), subject)))


def vhost(gate: Gate, request: Request) -> Answer:
    """Whether a client may use a virtual host: a device may use the one that it was let in by."""
    return _known(gate, request, lambda fields: bool(fields.get("client_id")))


def resource(gate: Gate, request: Request) -> Answer:
    """Whether a client may use a queue or an exchange: those of its own MQTT session."""
    return _known(gate, request, _is_own_resource)


def topic(gate: Gate, request: Request) -> Answer:
    """Whether a client may publish or subscribe."""
    fields = read_form(request)
    action = _ACTIONS.get(text(fields, "permission"))
    if action is None or text(fields, "name") != _EXCHANGE:
        return _answer(Verdict(Reason.FOREIGN_TOPIC))
    return _answer(gate.topic(text(fields, "username"), action, text(fields, "routing_key").translate(_TO_TOPIC)))


def _is_own_resource(fields: dict[str, str]) -> bool:
    kind, name, client_id = fields.get("resource"), fields.get("name", ""), fields.get("client_id")
    if not client_id:
        return False
    if kind == "exchange":
        return name == _EXCHANGE and fields.get("permission") in _ACTIONS
    return kind == "queue" and name.startswith((f"{_QUEUE}{client_id}qos", f"{_WILL}{client_id}"))


def _known(gate: Gate, request: Request, is_allowed: Callable[[dict[str, str]], bool]) -> Answer:
    fields = dict(read_form(request))
    device = gate.check.find(text(fields, "username"))
    if device is None:
        return _answer(Verdict(Reason.UNKNOWN))
    return _answer(Verdict(Reason.ALLOWED if is_allowed(fields) else Reason.FOREIGN_TOPIC, device))


def _answer(verdict: Verdict) -> Answer:
    # What follows "allow" would be taken for tags, such as "administrator".
    return as_text(verdict, "allow" if verdict.is_allowed else "deny")
