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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amqtt.broker import BrokerContext
from amqtt.contexts import Action
from amqtt.mqtt.connect import ConnectPacket
from amqtt.mqtt.packet import MQTTPacket
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import OutgoingApplicationMessage, Session

from nameplate.brokers.hook_client import HookClient

_STANDING: Final = "nameplate.standing"
_REGISTER_TOPIC: Final = "/ext/register"
_REGISTER_SECONDS: Final = 15
"""After which the platform, too, cuts the connection of a device that has fetched its secret."""

_THREADS: Final = 16

_log = logging.getLogger(__name__)


@dataclass
class _Standing:
    """What was proven of a session.

    What amqtt has in it is not: a CONNECT for a session that is kept overwrites the user name and the will before
    anybody has looked at the password, and leaves the address and the certificate of the connection before.
    """

    username: str = ""
    """Who it belongs to, once that was proven: nobody else may ever take it over."""

    is_admitted: bool = False
    is_registering: bool = False
    connections: int = 0
    """One, and while another takes over two; amqtt tells of the first one's end when the second has begun."""

    @classmethod
    def of(cls, session: Session) -> "_Standing":
        """Return a session's."""
        found: _Standing = session.attributes.setdefault(_STANDING, cls())
        return found


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
        self._sent: ConnectPacket | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="nameplate")

    async def on_mqtt_packet_received(self, *, packet: MQTTPacket[Any, Any, Any], **_: object) -> None:
        """Take note of a CONNECT, right before its client is to be authenticated.

        What the session says by then may be of another CONNECT for the same session.
        """
        if isinstance(packet, ConnectPacket):
            self._sent = packet

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether a client may connect; one that asks for its secret gets it, and may do nothing else."""
        sent, self._sent = self._sent, None
        standing, certificate, has_will = _Standing.of(session), _subject(session), session.will_flag
        standing.is_admitted, session.will_flag = False, False
        if sent is None or sent.client_id != session.client_id:
            return False
        username = sent.username or certificate
        if standing.username not in ("", username):
            return False
        credentials = {"client_id": sent.client_id, "username": sent.username or ""}
        credentials |= {"subject": certificate} if certificate else {"password": sent.password or ""}
        if "authType=register," in f"{session.client_id},".replace("|", ","):
            return await self._register(session, credentials)
        if not await self._asks("connect", credentials):
            return False
        standing.username, standing.is_admitted = username, True
        if has_will and not session.parent:
            session.will_flag = await self._may(standing, session.will_topic, Action.PUBLISH)
        return True

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether a client may publish or subscribe; what it has subscribed to, it may receive."""
        standing = _Standing() if session is None else _Standing.of(session)
        if not standing.is_admitted:
            return False
        return action is Action.RECEIVE or await self._may(standing, topic, action)

    async def on_broker_client_connected(self, *, client_id: str, client_session: Session) -> None:
        """Tell Nameplate, or cut the connection of a client that has fetched its secret."""
        standing = _Standing.of(client_session)
        standing.connections += 1
        if standing.is_registering:
            await asyncio.sleep(_REGISTER_SECONDS)
            await self._cut(client_id, client_session)
        else:
            await self._tell(client_session, connected=True)

    async def on_broker_client_disconnected(self, *, client_id: str, client_session: Session) -> None:  # noqa: ARG002 (amqtt's)
        """Tell Nameplate."""
        standing = _Standing.of(client_session)
        standing.connections -= 1
        if not standing.is_registering and not standing.connections:
            await self._tell(client_session, connected=False)

    async def on_broker_retained_message(self, *, client_id: str | None, retained_message: Any) -> None:  # noqa: ARG002, ANN401 (amqtt's)
        """Let no message be retained: amqtt sends those that anybody has subscribed to, to whoever connects."""
        self._broker._retained_messages.pop(retained_message.topic, None)  # noqa: SLF001 (amqtt offers no other way)

    async def close(self) -> None:
        """Let the questions that are under way be answered."""
        self._pool.shutdown()

    async def _register(self, session: Session, credentials: dict[str, Any]) -> bool:
        # A session that is kept may be another's, with messages that wait in it.
        if session.parent or not session.clean_session:
            return False
        answer = await self._ask("register", {**credentials, "is_secure": session.ssl_object is not None})
        if not answer.get("allow"):
            return False
        _Standing.of(session).is_registering = True
        # What waits in a session is sent once it is connected, without a subscription.
        message = OutgoingApplicationMessage(None, _REGISTER_TOPIC, 0, answer["payload"].encode(), retain=False)
        await session.retained_messages.put(message)
        return True

    async def _tell(self, session: Session, *, connected: bool) -> None:
        names = {"client_id": session.client_id, "username": _Standing.of(session).username}
        # Of a session that is kept the address is that of its first connection.
        place = {"address": "", "peer": ""}
        if not session.parent:
            place = {"address": session.remote_address or "", "peer": f"{session.remote_address}:{session.remote_port}"}
        await self._ask("event", {**names, **place, "connected": connected})

    async def _may(self, standing: _Standing, topic: str | None, action: Action | None) -> bool:
        return await self._asks("topic", {"username": standing.username, "topic": topic, "action": action})

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

    @property
    def _broker(self) -> Any:  # noqa: ANN401 (amqtt's class, which it does not show to plugins)
        return self.context._broker_instance  # type: ignore[attr-defined]  # noqa: SLF001 (amqtt offers no other way)

    async def _cut(self, client_id: str, session: Session) -> None:
        known, handler = self._broker.sessions.get(client_id, (None, None))
        if known is session and handler is not None:
            await handler.handle_connection_closed()


def _subject(session: Session) -> str:
    """Return the subject of the certificate that the broker has checked; empty if there is none.

    Of a session that is kept nobody knows: the certificate in it is that of its first connection.
    """
    if session.ssl_object is None or session.parent:
        return ""
    certificate = session.ssl_object.getpeercert() or {}
    parts: list[tuple[str, str]] = [pair for group in certificate.get("subject", ()) for pair in group]  # type: ignore[misc]  # a loose type
    return ",".join(f"{name}={value}" for name, value in parts)
