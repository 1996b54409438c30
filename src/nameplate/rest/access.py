"""Who is calling: an access key by HTTP Basic, or a token that one has asked for."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from nameplate.authentication import TEMPORARY_KEY_PREFIX
from nameplate.call import Registry
from nameplate.domain.tokens import TOKEN_SECONDS, BearerTokens, read_token
from nameplate.rest.problems import (
    CREDENTIALS_INVALID,
    CREDENTIALS_MISSING,
    SECURITY_TOKEN_INVALID,
    TOKEN_INVALID,
    ProblemError,
)
from nameplate.store.access_keys import AccessKey

SECURITY_TOKEN: Final = "x-nameplate-security-token"  # noqa: S105 (a header's name)

_WHERE: Final = "Authorization"
_CHALLENGE: Final = 'Basic realm="nameplate", charset="UTF-8", Bearer realm="nameplate"'
# An unknown key takes as long as a wrong secret.
_NOBODY: Final = b"nobody's secret"


class Access:
    """Believes callers, or does not."""

    def __init__(self, registry: Registry, tokens: BearerTokens) -> None:
        self._registry = registry
        self._tokens = tokens

    def authenticate(self, headers: Mapping[str, str]) -> AccessKey:
        """Return the access key behind a call. Raises the problems with status 401."""
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return self._by_secret(sent.strip(), headers.get(SECURITY_TOKEN, ""))
        if scheme.lower() == "bearer":
            return self._by_token(sent.strip())
        raise _challenge(CREDENTIALS_MISSING(where=_WHERE))

    def mint(self, key: AccessKey) -> tuple[str, int]:
        """Return a token for an access key, and when it ends, in milliseconds since 1970 UTC."""
        ends = self._registry.clock() + TOKEN_SECONDS * 1000
        ends = ends if key.expires_at is None else min(ends, key.expires_at)
        return self._tokens.make(key.id, key.open_secret(self._registry.master), ends), ends

    def _by_secret(self, sent: str, security_token: str) -> AccessKey:
        key_id, secret = _read_basic(sent)
        key = self._registry.store.access_keys.recall(key_id, self._registry.clock())
        own = _NOBODY if key is None else key.open_secret(self._registry.master)
        if not _is_same(own, secret) or key is None or not key.is_active:
            raise _challenge(CREDENTIALS_INVALID(where=_WHERE))
        self._check_temporary(key, security_token)
        return key

    def _check_temporary(self, key: AccessKey, security_token: str) -> None:
        own = key.open_token(self._registry.master)
        if own is None and not key.id.startswith(TEMPORARY_KEY_PREFIX):
            return
        fits = own is not None and _is_same(own, security_token.encode("utf-8", "replace"))
        if not fits or _has_ended(key, self._registry.clock()):
            raise _challenge(SECURITY_TOKEN_INVALID(where=SECURITY_TOKEN))

    def _by_token(self, sent: str) -> AccessKey:
        now, token = self._registry.clock(), read_token(sent)
        key = None if token is None else self._registry.store.access_keys.recall(token.key_id, now)
        own = _NOBODY if key is None else key.open_secret(self._registry.master)
        is_own = token is not None and self._tokens.is_own(token, own, now)
        if not is_own or key is None or not key.is_active or _has_ended(key, now):
            raise _challenge(TOKEN_INVALID(where=_WHERE, minutes=TOKEN_SECONDS // 60))
        return key


def _read_basic(sent: str) -> tuple[str, bytes]:
    try:
        key_id, _, secret = b64decode(sent, validate=True).partition(b":")
        return key_id.decode(), secret
    except (binascii.Error, ValueError):
        raise _challenge(CREDENTIALS_INVALID(where=_WHERE)) from None


def _is_same(own: bytes, sent: bytes) -> bool:
    # Hashed first, so that not even the length shows.
    return hmac.compare_digest(blake2b(own).digest(), blake2b(sent).digest())


def _has_ended(key: AccessKey, now: int) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def _challenge(problem: ProblemError) -> ProblemError:
    return problem.with_headers(www_authenticate=_CHALLENGE)
