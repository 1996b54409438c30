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
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import OutgoingApplicationMessage, Session

from nameplate.brokers.hook_client import HookClient

_REGISTERING: Final = "nameplate.registering"
_REGISTER_TOPIC: Final = "/ext/register"
_REGISTER_SECONDS: Final = 15
"""After which the platform, too, cuts the connection of a device that has fetched its secret."""

_THREADS: Final = 16

_log = logging.getLogger(__name__)


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

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether a client may connect; one that asks for its secret gets it, and may do nothing else."""
        session.attributes.pop(_REGISTERING, None)
        credentials = {"client_id": session.client_id, "username": session.username or ""}
        certificate = _subject(session)
        credentials |= {"subject": certificate} if certificate else {"password": session.password or ""}
        if "authType=register," in f"{session.client_id},".replace("|", ","):
            return await self._register(session, credentials)
        return await self._asks("connect", credentials)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether a client may publish or subscribe; what it has subscribed to, it may receive."""
        if session is None or _REGISTERING in session.attributes:
            return False
        if action is Action.RECEIVE:
            return True
        return await self._asks("topic", {"username": session.username, "topic": topic, "action": action})

    async def on_broker_client_connected(self, *, client_id: str, client_session: Session) -> None:
        """Tell Nameplate, or cut the connection of a client that has fetched its secret."""
        if _REGISTERING in client_session.attributes:
            await asyncio.sleep(_REGISTER_SECONDS)
            await self._cut(client_id, client_session)
        else:
            await self._tell(client_session, connected=True)

    async def on_broker_client_disconnected(self, *, client_id: str, client_session: Session) -> None:  # noqa: ARG002 (amqtt's)
        """Tell Nameplate."""
        if _REGISTERING not in client_session.attributes:
            await self._tell(client_session, connected=False)

    async def close(self) -> None:
        """Let the questions that are under way be answered."""
        self._pool.shutdown()

    async def _register(self, session: Session, credentials: dict[str, Any]) -> bool:
        # A session that is kept may be another's, with messages that wait in it.
        if not session.clean_session:
            return False
        answer = await self._ask("register", {**credentials, "is_secure": session.ssl_object is not None})
        if not answer.get("allow"):
            return False
        session.attributes[_REGISTERING] = True
        # What waits in a session is sent once it is connected, without a subscription.
        message = OutgoingApplicationMessage(None, _REGISTER_TOPIC, 0, answer["payload"].encode(), retain=False)
        await session.retained_messages.put(message)
        return True

    async def _tell(self, session: Session, *, connected: bool) -> None:
        peer = f"{session.remote_address}:{session.remote_port}"
        names = {"client_id": session.client_id, "username": session.username or _subject(session)}
        await self._ask("event", {**names, "address": session.remote_address, "peer": peer, "connected": connected})

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

    async def _cut(self, client_id: str, session: Session) -> None:
        broker = self.context._broker_instance  # type: ignore[attr-defined]  # noqa: SLF001 (amqtt offers no other way)
        known, handler = broker.sessions.get(client_id, (None, None))
        if known is session and handler is not None:
            await handler.handle_connection_closed()


def _subject(session: Session) -> str:
    """Return the subject of the certificate that the broker has checked; empty if there is none."""
    if session.ssl_object is None:
        return ""
    certificate = session.ssl_object.getpeercert() or {}
    parts: list[tuple[str, str]] = [pair for group in certificate.get("subject", ()) for pair in group]  # type: ignore[misc]  # a loose type
    return ",".join(f"{name}={value}" for name, value in parts)
