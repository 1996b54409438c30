"""Bearer tokens: for a quarter of an hour in place of the access key."""

from nameplate.domain.access import Role
from nameplate.rest.calls import RestCall
from nameplate.rest.routes import Answer, IdempotencyKey, route


class Token(Answer):
    """A token, and when it ends, in milliseconds since 1970 UTC."""

    token: str
    expires_at: int


@route("POST", "/v1/tokens", role=Role.READER, status=201)
def create_token(call: RestCall, idempotency_key: IdempotencyKey = None) -> Token:  # noqa: ARG001 (nothing is kept)
    """Make a token to send as `Authorization: Bearer …`, so that a browser or a script need not keep the secret.

    It has the role of the access key that asks, and dies with it. An Idempotency-Key changes nothing: making a token
    leaves nothing behind.
    """
    token, expires_at = call.site.access.mint(call.key)
    return Token(token=token, expires_at=expires_at)
