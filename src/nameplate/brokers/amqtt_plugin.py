"""A plugin for the broker amqtt, which asks Nameplate over HTTP (docs/brokers/amqtt.md).

It runs in the broker's process: `pip install 'nameplate[amqtt]'`, and in the broker's configuration

    plugins:
      nameplate.brokers.amqtt_plugin.NameplatePlugin:
        url: http://127.0.0.1:8420
        secret_file: /etc/amqtt/nameplate-secret
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import amqtt.broker
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.broker import BrokerContext
from amqtt.contexts import Action
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.plugins.manager import PluginManager
from amqtt.session import OutgoingApplicationMessage, Session

from nameplate.brokers.hook_client import HookClient

_REGISTERING: Final = "nameplate.registering"
_REGISTER_TOPIC: Final = "/ext/register"
_REGISTER_SECONDS: Final = 15
"""After which the platform, too, cuts the connection of a device that has fetched its secret."""

_END_SECONDS: Final = 2
_THREADS: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True)
class _Connection:
    """A connection that is let in: whose it is, where from, and the task that the broker serves it in."""

    username: str
    client_id: str
    address: str
    peer: str
    handler: BrokerProtocolHandler
    task: asyncio.Task[Any] | None

    @property
    def session_name(self) -> str:
        """What the broker calls the session: devices may choose one client id, and share nothing by it."""
        return f"{self.username} {self.client_id}"

    async def end(self) -> None:
        """Have the broker end it, and wait until it has."""
        await self.handler.handle_connection_closed()
        if self.task is not None:
            await asyncio.wait([self.task], timeout=_END_SECONDS)


_current: ContextVar[_Connection | None] = ContextVar("connection", default=None)
"""The connection that the broker serves in this task. A session is no help: several have it, one after another."""


class NameplatePlugin(BaseAuthPlugin, BaseTopicPlugin):
    """Lets in the devices that Nameplate knows, keeps each to its topics, and tells Nameplate who comes and goes."""

    @dataclass
    class Config:
        """Where Nameplate is, and the file with the secret that it wants; none on the same machine."""

        url: str = "http://127.0.0.1:8420"
        secret_file: str | Path | None = None
        timeout: float = 5.0

    config: Config  # what the broker makes of its configuration

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        secret = None if self.config.secret_file is None else Path(self.config.secret_file).read_text().strip()
        self._client = HookClient(self.config.url, secret, self.config.timeout)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="nameplate")
        self._live: dict[str, _Connection] = {}
        amqtt.broker.BrokerProtocolHandler = _Handler  # type: ignore[attr-defined]  # amqtt offers no other way

    async def meet(self, handler: BrokerProtocolHandler, session: Session) -> bool:
        """Whether a client may connect; one that asks for its secret gets it, and may do nothing else."""
        _current.set(None)
        certificate = _subject(session)
        credentials = {"client_id": session.client_id, "username": session.username or ""}
        credentials |= {"subject": certificate} if certificate else {"password": session.password or ""}
        connection = _Connection(
            username=session.username or certificate,
            client_id=session.client_id or "",
            address=session.remote_address or "",
            peer=f"{session.remote_address}:{session.remote_port}",
            handler=handler,
            task=asyncio.current_task(),
        )
        wants_secret = "authType=register," in f"{session.client_id},".replace("|", ",")
        meet = self._register if wants_secret else self._admit
        if not await meet(connection, session, credentials):
            return False
        _current.set(connection)
        return True

    async def authenticate(self, *, session: Session) -> bool | None:  # noqa: ARG002 (amqtt's)
        """Whether a client has been met and let in."""
        return _current.get() is not None

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether a client may publish or subscribe; what it has subscribed to, it may receive."""
        if session is None or _REGISTERING in session.attributes:
            return False
        if action is Action.RECEIVE:
            return True
        connection = _current.get()
        return connection is not None and await self._may(connection, action, topic)

    async def on_broker_client_connected(self, *, client_id: str, client_session: Session) -> None:  # noqa: ARG002 (amqtt's)
        """Cut the connection of a client that has fetched its secret."""
        connection = _current.get()
        if connection is not None and _REGISTERING in client_session.attributes:
            await asyncio.sleep(_REGISTER_SECONDS)
            await connection.end()

    async def on_broker_client_disconnected(self, *, client_id: str, client_session: Session) -> None:  # noqa: ARG002 (amqtt's)
        """Tell Nameplate."""
        connection = _current.get()
        if connection is not None and _REGISTERING not in client_session.attributes:
            await self._tell(connection, connected=False)

    async def close(self) -> None:
        """Let the questions that are under way be answered."""
        self._pool.shutdown()

    async def _admit(self, connection: _Connection, session: Session, credentials: dict[str, Any]) -> bool:
        if not await self._asks("connect", credentials):
            return False
        session.client_id = connection.session_name
        session.will_retain = False
        session.will_flag = session.will_flag and await self._may(connection, Action.PUBLISH, session.will_topic)
        # Before the one that it replaces is over: two at once from different places may be a clone.
        await self._tell(connection, connected=True)
        await self._replace(connection)
        return True

    async def _register(self, connection: _Connection, session: Session, credentials: dict[str, Any]) -> bool:
        answer = await self._ask("register", {**credentials, "is_secure": session.ssl_object is not None})
        if not answer.get("allow"):
            return False
        session.client_id = f"{connection.session_name} {uuid4()}"
        session.clean_session = True
        session.will_flag = False
        session.attributes[_REGISTERING] = True
        # What waits in a session is sent once it is connected, without a subscription.
        message = OutgoingApplicationMessage(None, _REGISTER_TOPIC, 0, answer["payload"].encode(), retain=False)
        await session.retained_messages.put(message)
        return True

    async def _replace(self, connection: _Connection) -> None:
        """End the connection that has had the session; the broker leaves it open, or takes it for the new one."""
        name = connection.session_name
        before = self._live.get(name)
        self._live[name] = connection
        if connection.task is not None:
            connection.task.add_done_callback(lambda _: self._forget(connection))
        if before is not None:
            await before.end()

    def _forget(self, connection: _Connection) -> None:
        if self._live.get(connection.session_name) is connection:
            del self._live[connection.session_name]

    async def _may(self, connection: _Connection, action: Action | None, topic: str | None) -> bool:
        return await self._asks("topic", {"username": connection.username, "topic": topic, "action": action})

    async def _tell(self, connection: _Connection, *, connected: bool) -> None:
        names = {"client_id": connection.client_id, "username": connection.username}
        where = {"address": connection.address, "peer": connection.peer}
        await self._ask("event", {**names, **where, "connected": connected})

    async def _asks(self, hook: str, body: dict[str, Any]) -> bool:
        return (await self._ask(hook, body)).get("allow") is True

    async def _ask(self, hook: str, body: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._pool, self._client.post, f"/brokers/amqtt/{hook}", body)
        except (OSError, ValueError) as error:
            _log.warning("Nameplate was asked (%s) and has not answered: %s", hook, error)
            return {}
        return answer


class _Handler(BrokerProtocolHandler):
    """Has the plugin meet a client before the broker looks for its session.

    The broker by itself gives a known session to whoever names its client id, with the new user name and will in it and
    the old certificate, and asks then.
    """

    @classmethod
    async def init_from_connect(
        cls,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        plugins_manager: PluginManager[BrokerContext],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Return what belongs to a client that is let in. Raises MQTTError for others."""
        handler, session = await super().init_from_connect(reader, writer, plugins_manager, loop)
        for plugin in plugins_manager.plugins:
            if isinstance(plugin, NameplatePlugin) and not await plugin.meet(handler, session):
                await _refuse(writer)
                raise MQTTError(f"{session.username} is not let in")  # noqa: EM102, TRY003 (the broker's, for its log)
        return handler, session

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Take a message as one that is not kept: the broker would send it to whoever connects next."""
        publish_packet.retain_flag = False
        await super().handle_publish(publish_packet)


async def _refuse(writer: WriterAdapter) -> None:
    # The broker counts a connection for ever that is reset while it closes it.
    with suppress(OSError):
        await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
        await writer.close()


def _subject(session: Session) -> str:
    """Return the subject of the certificate that the broker has checked; empty if there is none."""
    if session.ssl_object is None:
        return ""
    certificate = session.ssl_object.getpeercert() or {}
    parts: list[tuple[str, str]] = [pair for group in certificate.get("subject", ()) for pair in group]  # type: ignore[misc]  # a loose type
    return ",".join(f"{name}={value}" for name, value in parts)
