"""Webhooks: an account is told, in the form of Standard Webhooks, when its batches change their state."""

from typing import Annotated, Final

from pydantic import Field

from nameplate.domain.access import Role
from nameplate.domain.webhooks import MOST_WEBHOOKS, DeliveryState, mint_secret, problem_of
from nameplate.rest.calls import RestCall
from nameplate.rest.problems import INVALID_BODY, TOO_MANY_WEBHOOKS, WEBHOOK_DISABLED, WEBHOOK_NOT_FOUND
from nameplate.rest.replies import Reply
from nameplate.rest.routes import Answer, Body, IdempotencyKey, Limit, route
from nameplate.store import deliveries
from nameplate.store import webhooks as store

WebhookId = Annotated[int, Field(ge=1, lt=2**31, description="A webhook's id.")]
_PLACE: Final = r"^[0-9]{1,15}-[A-Za-z0-9_]{1,40}$"
_NEWEST: Final = (2**62, "")


class NewWebhook(Body):
    """Where to tell of batches."""

    url: str = Field(description="https:// or http://; POSTs are sent here, and redirects are not followed.")


class Webhook(Answer):
    """A webhook."""

    id: int
    url: str
    is_active: bool = Field(description="false once its endpoint has answered 410.")
    created_at: int


class WebhookWithSecret(Webhook):
    """A new webhook, and what its messages are signed with."""

    secret: str = Field(description="whsec_…, shown this once.")


class WebhookList(Answer):
    """Webhooks, oldest first."""

    items: list[Webhook]


class Delivery(Answer):
    """One thing that a webhook is to be told, or was."""

    id: str = Field(description="The webhook-id that every attempt carries.")
    type: str
    batch_id: int
    state: DeliveryState
    attempts: int
    created_at: int
    due_at: int | None = Field(description="When it is attempted next; null if it is not.")
    attempted_at: int | None
    status: int | None = Field(description="HTTP status of the last attempt.")
    problem: str | None


class DeliveryPage(Answer):
    """Deliveries, newest first."""

    items: list[Delivery]
    next: str | None = Field(description="Send it as `after` for the next page; null on the last.")


class Replay(Body):
    """What to tell again."""

    since: int = Field(ge=0, lt=10**15, description="Everything from this time on, in milliseconds since 1970 UTC.")


class Replayed(Answer):
    """How much will be told again."""

    deliveries: int


@route("POST", "/v1/webhooks", role=Role.ADMIN, status=201)
def create_webhook(
    call: RestCall, body: NewWebhook, idempotency_key: IdempotencyKey = None
) -> Reply[WebhookWithSecret]:
    """Have an endpoint told whenever a batch of the account changes its state.

    It is sent a signed POST: `{"type": "batch.create_success", "timestamp": …, "data": …}`. Whatever it answers but
    2xx is tried again after 5 s, 5 min, 30 min, 2 h, 5 h and 10 h; with 410 it asks for no more. Events may come twice
    (look at webhook-id) and in another order.
    """
    problem = problem_of(body.url)
    if problem is not None:
        raise INVALID_BODY(
            where="url", problem=f"The URL is not valid: {problem}", fix="Send one like https://host/path."
        )
    token = call.token(idempotency_key, body.url)
    number = call.store.counters.mint("webhook")
    sealed = call.registry.master.seal(mint_secret().encode(), store.secret_owner(number))
    new = store.Webhook(number, call.account_id, body.url, sealed, is_active=True, created_at=call.now())
    made = call.store.webhooks.add(new, MOST_WEBHOOKS, token)
    if made is None:
        raise TOO_MANY_WEBHOOKS(most=MOST_WEBHOOKS)
    found = find(call, made)
    secret = found.open_secret(call.registry.master)
    answer = WebhookWithSecret(**_shown(found).model_dump(), secret=secret)
    return Reply(answer, {"location": f"/v1/webhooks/{made}"})


@route("GET", "/v1/webhooks", role=Role.ADMIN)
def list_webhooks(call: RestCall) -> WebhookList:
    """List the account's webhooks."""
    return WebhookList(items=[_shown(found) for found in call.store.webhooks.list(call.account_id)])


@route("GET", "/v1/webhooks/{webhook_id}", role=Role.ADMIN)
def get_webhook(call: RestCall, webhook_id: WebhookId) -> Webhook:
    """Return a webhook."""
    return _shown(find(call, webhook_id))


@route("DELETE", "/v1/webhooks/{webhook_id}", role=Role.ADMIN, status=204)
def delete_webhook(call: RestCall, webhook_id: WebhookId) -> None:
    """Delete a webhook, and what it has not been told yet."""
    call.store.webhooks.delete(find(call, webhook_id).id)


@route("GET", "/v1/webhooks/{webhook_id}/deliveries", role=Role.ADMIN)
def list_deliveries(
    call: RestCall,
    webhook_id: WebhookId,
    after: Annotated[str | None, Field(pattern=_PLACE, description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> DeliveryPage:
    """List what a webhook was told in the last 30 days and what it is to be told, newest first."""
    found = call.store.deliveries.page(find(call, webhook_id).id, _read_place(after), limit + 1)
    page = found[:limit]
    more = f"{page[-1].created_at}-{page[-1].id}" if len(found) > limit else None
    return DeliveryPage(items=[_told(delivery) for delivery in page], next=more)


@route("POST", "/v1/webhooks/{webhook_id}/replay", role=Role.ADMIN, status=202)
def replay(call: RestCall, webhook_id: WebhookId, body: Replay, idempotency_key: IdempotencyKey = None) -> Replayed:
    """Tell a webhook everything since a time once more, under the same webhook-ids."""
    found = find(call, webhook_id)
    if not found.is_active:
        raise WEBHOOK_DISABLED(where="webhook_id")
    return Replayed(
        deliveries=call.once(
            idempotency_key,
            (webhook_id, body.since),
            lambda: call.store.deliveries.replay(found.id, body.since, call.now()),
        )
    )


def find(call: RestCall, webhook_id: int) -> store.Webhook:
    """Return the caller's webhook. Raises WEBHOOK_NOT_FOUND."""
    found = call.store.webhooks.find(webhook_id)
    if found is None or found.account_id != call.account_id:
        raise WEBHOOK_NOT_FOUND(where="webhook_id")
    return found


def _shown(found: store.Webhook) -> Webhook:
    return Webhook(id=found.id, url=found.url, is_active=found.is_active, created_at=found.created_at)


def _told(found: deliveries.Delivery) -> Delivery:
    due_at = found.due_at if found.state is DeliveryState.WAITING else None
    shared = {name: getattr(found, name) for name in Delivery.model_fields if name != "due_at"}
    return Delivery(**shared, due_at=due_at)


def _read_place(after: str | None) -> tuple[int, str]:
    if after is None:
        return _NEWEST
    moment, _, delivery_id = after.partition("-")
    return int(moment), delivery_id
