"""Every hook, by its path: who may ask is checked, the adapter answers, and what came of it is told."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

import orjson

from nameplate import logs, metrics
from nameplate.brokers import amqtt, device_side, emqx, nanomq, rabbitmq, rabbitmq_presence, vernemq
from nameplate.brokers.answers import Answer
from nameplate.brokers.bodies import optional, read_object
from nameplate.brokers.check import Reason, identify
from nameplate.brokers.gate import Gate
from nameplate.brokers.presence import Presence
from nameplate.brokers.protection import Protection
from nameplate.brokers.tokens import Tokens
from nameplate.call import Registry
from nameplate.domain.device_auth import Identity
from nameplate.domain.secrets import WrongMasterKeyError
from nameplate.errors import HOOK_NOT_FOUND, INTERNAL_ERROR, SERVICE_UNAVAILABLE
from nameplate.refusal import RefusedError
from nameplate.store.database import ConflictError
from nameplate.wire.render import Response
from nameplate.wire.request import Request

PREFIXES: Final = ("/brokers/", "/auth")
"""Where hooks are."""

_FAILED: Final = 500
_UNKNOWN: Final = "unknown"

_log = logging.getLogger(__name__)

Adapter = Callable[[Gate, Request], Answer]


class HookCall(NamedTuple):
    """A hook as it was called; `peer` is the address that it came from."""

    path: str
    request: Request
    peer: str | None


class _Hook(NamedTuple):
    """How one path is answered.

    One that `writes` may take as long as the database does. One that is `open` is for devices: they sign what they
    send, and know no secret of brokers. One that is `quiet` is called for each message, so that what it allows is not
    worth a line.
    """

    answer: Adapter
    writes: bool = False
    open: bool = False
    quiet: bool = False


_HOOKS: Final = {
    "/brokers/emqx/authenticate": _Hook(emqx.authenticate),
    "/brokers/emqx/authorize": _Hook(emqx.authorize, quiet=True),
    "/brokers/emqx/event": _Hook(emqx.event),
    "/brokers/rabbitmq/user": _Hook(rabbitmq.user),
    "/brokers/rabbitmq/vhost": _Hook(rabbitmq.vhost, quiet=True),
    "/brokers/rabbitmq/resource": _Hook(rabbitmq.resource, quiet=True),
    "/brokers/rabbitmq/topic": _Hook(rabbitmq.topic, quiet=True),
    "/brokers/rabbitmq/events": _Hook(rabbitmq_presence.events, writes=True),
    "/brokers/vernemq": _Hook(vernemq.hook, quiet=True),
    "/brokers/nanomq/authenticate": _Hook(nanomq.authenticate),
    "/brokers/nanomq/authorize": _Hook(nanomq.authorize, quiet=True),
    "/brokers/nanomq/event": _Hook(nanomq.event),
    "/brokers/amqtt/connect": _Hook(amqtt.connect),
    "/brokers/amqtt/register": _Hook(amqtt.register, writes=True),
    "/brokers/amqtt/topic": _Hook(amqtt.topic, quiet=True),
    "/brokers/amqtt/event": _Hook(amqtt.event),
    "/auth/register/device": _Hook(device_side.register, writes=True, open=True),
}


class Hooks:
    """Answers hooks. Synchronous; called from many threads. Nothing is raised: whatever goes wrong is an answer too."""

    def __init__(self, registry: Registry, presence: Presence, protection: Protection) -> None:
        self._gate = Gate(registry, presence)
        self._protection = protection
        # A read that crosses a network would keep the event loop waiting.
        self._may_inline = registry.store.database.is_embedded
        tokens = Tokens(registry)
        self._hooks = {
            **_HOOKS,
            "/auth": _Hook(tokens.give, writes=True, open=True),
            "/brokers/token": _Hook(tokens.look_up, quiet=True),
        }

    def is_inline(self, path: str) -> bool:
        """Whether the event loop may answer by itself."""
        hook = self._hooks.get(path)
        return hook is None or (self._may_inline and not hook.writes)

    def is_read(self, path: str) -> bool:
        """Whether the answer depends on what is read only."""
        hook = self._hooks.get(path)
        return hook is not None and not hook.writes

    def answer_all(self, calls: Sequence[HookCall]) -> list[Response]:
        """Answer several hooks, their devices looked up at once."""
        if len(calls) == 1:
            return [self.answer(calls[0])]
        began = time.perf_counter()
        sought = [self._sought(call) for call in calls]
        try:
            gate = self._gate.ahead(filter(None, sought))
        except (RefusedError, ConflictError) as error:
            # One look-up has waited for the database in vain; a hundred would wait for minutes.
            refused = error if isinstance(error, RefusedError) else SERVICE_UNAVAILABLE()
            return [
                self._refuse(call.path, self._hooks.get(call.path), refused, began)
                if identity
                else self._answer(call, self._gate)
                for call, identity in zip(calls, sought, strict=True)
            ]
        return [self._answer(call, gate) for call in calls]

    def answer(self, call: HookCall) -> Response:
        """Answer one hook."""
        return self._answer(call, self._gate)

    def refuse(self, path: str, refused: RefusedError) -> Response:
        """Answer a hook that cannot be read to its end."""
        return self._refuse(path, self._hooks.get(path), refused, time.perf_counter())

    def _answer(self, call: HookCall, gate: Gate) -> Response:
        began = time.perf_counter()
        path, hook = call.path, self._hooks.get(call.path)
        try:
            answer = self._known(call).answer(gate, call.request)
        except RefusedError as refused:
            return self._refuse(path, hook, refused, began)
        except (ConflictError, WrongMasterKeyError):
            return self._refuse(path, hook, SERVICE_UNAVAILABLE(), began)
        except Exception:  # noqa: BLE001 (the edge: no hook may end without an answer)
            _log.exception("The hook %s failed.", path if hook else _UNKNOWN)
            return self._refuse(path, hook, INTERNAL_ERROR(), began)
        level = logging.DEBUG if hook is not None and hook.quiet and answer.outcome == Reason.ALLOWED else logging.INFO
        _tell(path, answer, began, level)
        return Response(answer.outcome, answer.status, answer.content_type, answer.body)

    def _known(self, call: HookCall) -> _Hook:
        """Return the hook that is called, by one who may."""
        hook = self._hooks.get(call.path)
        if hook is None or call.request.method != "POST":
            raise HOOK_NOT_FOUND()
        if not hook.open:
            self._protection.check(call.request.headers, call.peer)
        return hook

    def _sought(self, call: HookCall) -> Identity | None:
        """Return whom a call will look up, or None if it will be refused before."""
        try:
            self._known(call)
            return identify(optional(read_object(call.request), "username"))
        except RefusedError:
            return None

    def _refuse(self, path: str, hook: _Hook | None, refused: RefusedError, began: float) -> Response:
        is_open = hook is not None and hook.open
        # To devices it is told as the vendor tells it.
        told = {"code": refused.status} if is_open else {"Code": refused.code}
        body = orjson.dumps(told | {"message" if is_open else "Message": refused.message})
        answer = Answer(body, "application/json", refused.code, None, refused.status)
        # A caller could make up any number of paths.
        _tell(path if hook else _UNKNOWN, answer, began, logging.ERROR if refused.status >= _FAILED else logging.INFO)
        if refused.reason:
            _log.warning("The hook %s failed: %s", path if hook else _UNKNOWN, refused.reason)
        return Response(refused.code, refused.status, answer.content_type, body)


def _tell(path: str, answer: Answer, began: float, level: int) -> None:
    """Tell what came of a hook: never what was sent with it, but for names that were found to be a device's."""
    seconds = time.perf_counter() - began
    count, observe = _counters(path, answer.outcome)
    count()
    observe(seconds)
    key, name = answer.identity or ("-", "-")
    ms = round(seconds * 1000, 2)
    told = {"hook": path, "outcome": answer.outcome, "product_key": key, "device_name": name, "ms": ms}
    logs.lines.write(level, "hook", told)


@cache
def _counters(path: str, outcome: str) -> tuple[Callable[[], None], Callable[[float], None]]:
    """Return what counts a hook; to look it up each time costs more than to count."""
    return metrics.HOOKS.labels(path, outcome).inc, metrics.HOOK_SECONDS.labels(path).observe
