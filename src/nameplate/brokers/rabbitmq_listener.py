"""Hears from RabbitMQ which connections come and go, and tells a server (docs/brokers/rabbitmq.md).

It keeps nothing itself. RabbitMQ has the events in a queue until the server has written them, so whichever of the two
is away, and however this program ends, it goes on where it was.
"""

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from nameplate.brokers.hook_client import HookAnswerError, HookClient
from nameplate.brokers.rabbitmq_events import CLOSED, CREATED, read_event
from nameplate.signals import Stop

EXCHANGE: Final = "amq.rabbitmq.event"
QUEUE: Final = "nameplate-presence"
HOOK: Final = "/brokers/rabbitmq/events"

_MOST_KEPT: Final = 200_000
_ARGUMENTS: Final = {
    # The oldest go first: what a device has done last is worth most.
    "x-max-length": _MOST_KEPT,
    # A second listener waits for the first to end: two would tell of a device's events in no order.
    "x-single-active-consumer": True,
}
_AT_ONCE: Final = 200
"""Events that are told together; the largest, escaped, fit into a hook's body."""

_IDLE_SECONDS: Final = 0.5
_CONNECT_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_NOT_FOUND: Final = 404
_REFUSED: Final = 403
_OTHERWISE: Final = 406
_LONGEST_WORDS: Final = 300
_CALLERS_FAULT: Final = range(400, 500)
_NOT_NOW: Final = (408, 429)

_log = logging.getLogger(__name__)


class ListenError(Exception):
    """What somebody has to put right: to try again would not help."""


class _AwayError(Exception):
    """A server that cannot be told now."""


class Place(NamedTuple):
    """Where RabbitMQ is, and who asks there."""

    host: str
    port: int
    virtual_host: str
    username: str
    is_secure: bool

    @classmethod
    def read(cls, url: str) -> "Place":
        """Read `amqp://user@host:port/virtual-host`. Raises ValueError, which does not show what may be secret."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or not parts.username:
            message = "it is not a URL like amqp://nameplate@127.0.0.1:5672"
            raise ValueError(message)
        if parts.password is not None:
            message = "it has a password in it, which belongs elsewhere"
            raise ValueError(message)
        port = parts.port or _PORTS[parts.scheme]
        host, user = unquote(parts.path[1:]) or "/", unquote(parts.username)
        return cls(parts.hostname, port, host, user, parts.scheme == "amqps")

    def __str__(self) -> str:
        return f"RabbitMQ on {self.host}:{self.port}"


class Listener:
    """Tells one server of the connections of one RabbitMQ."""

    def __init__(self, place: Place, password: str, client: HookClient, stop: Stop, say: Callable[[str], None]) -> None:
        self._place = place
        self._client = client
        self._say = say
        self._stop = stop
        self._pause = _FIRST_PAUSE_SECONDS
        self._parameters = pika.ConnectionParameters(
            host=place.host,
            port=place.port,
            virtual_host=place.virtual_host,
            credentials=pika.PlainCredentials(place.username, password),
            socket_timeout=_CONNECT_SECONDS,
            blocked_connection_timeout=_CONNECT_SECONDS,
            client_properties={"connection_name": "nameplate"},
        )
        if place.is_secure:
            self._parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(), place.host)

    def run(self) -> None:
        """Listen until it is time to stop, and finish what is being told. Raises ListenError."""
        # Whatever it has to say is said here, once and in fewer words.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        while not self._stop.wait(0):
            try:
                self._listen()
            except _AwayError as error:
                _log.warning("The server cannot be told; RabbitMQ keeps the events: %s", _words(error))
            except (AMQPError, OSError) as error:
                _log.warning("%s is away: %s", self._place, _words(error))
            self._stop.wait(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    def _listen(self) -> None:
        # While the server is away there is nothing to be fetched.
        self._tell([])
        with self._connected() as channel:
            self._say(f"nameplate listens to {self._place}")
            self._pause = _FIRST_PAUSE_SECONDS
            self._consume(channel)

    @contextmanager
    def _connected(self) -> Iterator[BlockingChannel]:
        """Connect, with the queue in its place. Raises ListenError for what RabbitMQ will not have."""
        place = self._place
        try:
            connection = pika.BlockingConnection(self._parameters)
        except ProbableAuthenticationError as error:
            message = f"{place} does not let in the user {place.username} with this password: {_words(error)}"
            raise ListenError(message) from error
        except ProbableAccessDeniedError as error:
            message = f"{place} keeps {place.username} out of the virtual host {place.virtual_host}: {_words(error)}"
            raise ListenError(message) from error
        with connection:
            channel = connection.channel()
            try:
                self._prepare(channel)
            except ChannelClosedByBroker as error:
                raise _explained(error, place) from error
            yield channel

    def _prepare(self, channel: BlockingChannel) -> None:
        channel.basic_qos(prefetch_count=_AT_ONCE)
        waiting = channel.queue_declare(QUEUE, durable=True, arguments=_ARGUMENTS).method.message_count
        if waiting is not None and waiting >= _MOST_KEPT:
            _log.warning("%s kept %d events and may have dropped older ones.", self._place, waiting)
        for kind in (CREATED, CLOSED):
            channel.queue_bind(QUEUE, EXCHANGE, kind)

    def _consume(self, channel: BlockingChannel) -> None:
        told: list[dict[str, Any]] = []
        for method, properties, _ in channel.consume(QUEUE, inactivity_timeout=_IDLE_SECONDS):
            if self._stop.wait(0):
                return
            if method is None or properties is None:
                continue
            assert method.routing_key is not None
            assert method.delivery_tag is not None
            event = read_event(method.routing_key, properties.headers or {})
            told += [] if event is None else [event]
            if len(told) < _AT_ONCE and channel.get_waiting_message_count():
                continue
            self._tell(told)
            channel.basic_ack(method.delivery_tag, multiple=True)
            told.clear()

    def _tell(self, events: list[dict[str, Any]]) -> None:
        try:
            self._client.post(HOOK, {"events": events})
        except HookAnswerError as error:
            if error.status in _CALLERS_FAULT and error.status not in _NOT_NOW:
                message = f"The server refuses to be told, with {error.status}: {_words(error)}"
                raise ListenError(message) from error
            raise _AwayError(_words(error)) from error
        except (OSError, ValueError) as error:
            raise _AwayError(_words(error)) from error


def _explained(error: ChannelClosedByBroker, place: Place) -> Exception:
    """Return what is to be said of a queue that cannot be had."""
    if error.reply_code == _NOT_FOUND:
        return ListenError(
            f"{place} publishes no events in the virtual host {place.virtual_host}; enable its plugin: "
            f"rabbitmq-plugins enable rabbitmq_event_exchange ({error.reply_text})"
        )
    if error.reply_code == _REFUSED:
        return ListenError(
            f"{place} does not allow {place.username} what it needs; docs/brokers/rabbitmq.md has the permissions "
            f"({error.reply_text})"
        )
    if error.reply_code == _OTHERWISE:
        return ListenError(
            f"{place} has a queue {QUEUE} of another kind; delete it: rabbitmqctl delete_queue {QUEUE} "
            f"({error.reply_text})"
        )
    return error


def _words(error: BaseException) -> str:
    """Return what an error says, on one line; some of pika's say nothing but what they were made of."""
    return " ".join((str(error) or repr(error)).split())[:_LONGEST_WORDS]
