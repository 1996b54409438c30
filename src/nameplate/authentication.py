"""Who is calling: the access key that signed a call, now, truly, and for the first time."""

import hmac
import re
from datetime import UTC, datetime
from typing import Final

from nameplate.call import Registry
from nameplate.errors import (
    ACCESS_KEY_INACTIVE,
    ACCESS_KEY_NOT_FOUND,
    INVALID_TIMESTAMP_EXPIRED,
    INVALID_TIMESTAMP_FORMAT,
    SECURITY_TOKEN_EXPIRED,
    SECURITY_TOKEN_MALFORMED,
    SECURITY_TOKEN_MISMATCH,
    SECURITY_TOKEN_MISSING,
    SIGNATURE_NONCE_USED,
)
from nameplate.store.access_keys import AccessKey
from nameplate.wire.signature import Claim

TEMPORARY_KEY_PREFIX: Final = "STS."
TOKEN_LENGTH: Final = 64

_TOLERANCE_MS: Final = 15 * 60 * 1000
_TIMESTAMP: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z")
_TOKEN: Final = re.compile(rf"[A-Za-z0-9]{{{TOKEN_LENGTH}}}")


def authenticate(registry: Registry, claim: Claim) -> AccessKey:
    """Return the access key behind a claim.

    Raises the gateway's refusals, in the vendor's order of checks.
    """
    now = registry.clock()
    _check_timestamp(claim.timestamp, now)
    key = registry.store.access_keys.recall(claim.access_key_id, now)
    if key is None:
        raise ACCESS_KEY_NOT_FOUND()
    if not key.is_active:
        raise ACCESS_KEY_INACTIVE()
    if key.id.startswith(TEMPORARY_KEY_PREFIX) and not claim.security_token:
        raise SECURITY_TOKEN_MISSING()
    claim.verify(key.open_secret(registry.master))
    _check_token(key, claim.security_token, key.open_token(registry.master), now)
    # Last, so that nobody can use up another's nonces.
    if not registry.store.nonces.take(key.id, claim.nonce, now):
        raise SIGNATURE_NONCE_USED()
    return key


def _check_timestamp(text: str, now: int) -> None:
    if _TIMESTAMP.fullmatch(text) is None:
        raise INVALID_TIMESTAMP_FORMAT()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise INVALID_TIMESTAMP_FORMAT() from None
    if abs(moment.timestamp() * 1000 - now) > _TOLERANCE_MS:
        raise INVALID_TIMESTAMP_EXPIRED(now=datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _check_token(key: AccessKey, sent: str, token: bytes | None, now: int) -> None:
    if not sent and token is None:
        return
    if _TOKEN.fullmatch(sent) is None:
        raise SECURITY_TOKEN_MALFORMED()
    if token is None or not hmac.compare_digest(token, sent.encode()):
        raise SECURITY_TOKEN_MISMATCH()
    if key.expires_at is not None and key.expires_at <= now:
        raise SECURITY_TOKEN_EXPIRED()
