"""Tells webhooks what they are to be told: claim, sign, send, write down what came of it.

What is to be told lies in the database from the moment that it is true; a deliverer that is killed leaves a claim that
runs out, and another one goes on. So an endpoint is told at least once, and knows by `webhook-id` what it has heard.
"""

import asyncio
import logging
import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from standardwebhooks import Webhook as Signer

from nameplate import metrics
from nameplate.call import Registry
from nameplate.refusal import RefusedError
from nameplate.store.database import retried
from nameplate.store.deliveries import Attempt, Delivery
from nameplate.store.webhooks import Webhook

if TYPE_CHECKING:
    from nameplate.webhooks.endpoints import Endpoints

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_AT_ONCE: Final = 16
_CLAIM_MS: Final = 30_000
_FORGET_SECONDS: Final = 3600
_USER_AGENT: Final = "nameplate-webhooks/1"

_log = logging.getLogger(__name__)


class Deliverer:
    """A thread of this process that tells webhooks. Each endpoint by itself: a slow one keeps no other waiting."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._deliveries = registry.store.deliveries
        self._running: dict[int, asyncio.Task[None]] = {}
        self._endpoints: Endpoints | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="deliverer")

    def start(self) -> None:
        """Start to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Let the attempts that run be finished, and return when they are."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    async def _run(self) -> None:
        forget_at = 0.0
        while not self._stopped.is_set():
            pause = _POLL_SECONDS
            try:
                await self._begin()
                if asyncio.get_running_loop().time() >= forget_at:
                    await asyncio.to_thread(self._deliveries.forget, self._registry.clock())
                    forget_at = asyncio.get_running_loop().time() + _FORGET_SECONDS
            except Exception as error:  # noqa: BLE001 (what fails now may work later)
                _complain(error)
                pause = _RETRY_SECONDS
            await asyncio.to_thread(self._stopped.wait, pause)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._endpoints is not None:
            await self._endpoints.close()

    async def _begin(self) -> None:
        """Begin with every webhook that is to be told something and is not being told already."""
        for webhook_id in await asyncio.to_thread(self._deliveries.due, self._registry.clock()):
            if webhook_id not in self._running:
                task = asyncio.create_task(self._tell_all(self._reach(), webhook_id))
                self._running[webhook_id] = task
                task.add_done_callback(partial(self._end, webhook_id))

    def _reach(self) -> "Endpoints":
        if self._endpoints is None:
            # An HTTP client takes a tenth of a server's start; most servers have no webhook.
            from nameplate.webhooks.endpoints import Endpoints  # noqa: PLC0415 (for that reason)

            self._endpoints = Endpoints()
        return self._endpoints

    def _end(self, webhook_id: int, _: asyncio.Task[None]) -> None:
        del self._running[webhook_id]

    async def _tell_all(self, endpoints: "Endpoints", webhook_id: int) -> None:
        """Tell one webhook everything that is due."""
        try:
            webhook = await asyncio.to_thread(self._registry.store.webhooks.find, webhook_id)
            while webhook is not None and webhook.is_active and not self._stopped.is_set():
                owner = uuid4().hex
                claimed = await asyncio.to_thread(self._claim, owner, webhook_id)
                if not claimed:
                    return
                await asyncio.gather(*(self._tell(endpoints, webhook, delivery, owner) for delivery in claimed))
                webhook = await asyncio.to_thread(self._registry.store.webhooks.find, webhook_id)
        except Exception as error:  # noqa: BLE001 (the claims run out, and are made again)
            _complain(error)

    def _claim(self, owner: str, webhook_id: int) -> list[Delivery]:
        now = self._registry.clock()
        return retried(lambda: self._deliveries.claim(owner, webhook_id, now, now + _CLAIM_MS, _AT_ONCE))

    async def _tell(self, endpoints: "Endpoints", webhook: Webhook, delivery: Delivery, owner: str) -> None:
        headers = self._sign(webhook, delivery)
        status, problem = await endpoints.post(webhook.url, headers, delivery.payload)
        attempt = Attempt(delivery, owner, status, problem)
        metrics.WEBHOOK_ATTEMPTS.labels("taken" if attempt.is_taken else "failed").inc()
        if not attempt.is_taken:
            _log.warning("Webhook %d could not be told %s: %s.", webhook.id, delivery.id, problem)
        await asyncio.to_thread(lambda: retried(lambda: self._deliveries.finish(attempt, self._registry.clock())))

    def _sign(self, webhook: Webhook, delivery: Delivery) -> dict[str, str]:
        # By the time of the attempt: a receiver believes nothing that is older than some minutes.
        moment = datetime.fromtimestamp(self._registry.clock() // 1000, UTC)
        signer = Signer(webhook.open_secret(self._registry.master))
        return {
            "content-type": "application/json",
            "user-agent": _USER_AGENT,
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signer.sign(delivery.id, moment, delivery.payload),
        }


def _complain(error: Exception) -> None:
    if isinstance(error, RefusedError):
        _log.warning("Webhooks cannot be told: %s. Trying again.", error.reason)
    else:
        _log.error("Webhooks cannot be told. Trying again.", exc_info=error)
