"""Bearer tokens: who may call for a while without sending a secret.

A token names its access key and the time at which it ends, under a keyed hash of both and of the key's secret: nobody
can make one up, nothing is stored, and it dies with its access key and with that key's secret.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Final, NamedTuple

TOKEN_SECONDS: Final = 15 * 60

_TOKEN: Final = re.compile(r"npt_([A-Za-z0-9_-]{1,400})\.([0-9]{1,15})\.([A-Za-z0-9_-]{43})")


class BearerToken(NamedTuple):
    """What a token says about itself, not yet believed; `expires_at` is in milliseconds since 1970 UTC."""

    key_id: str
    expires_at: int
    tag: str


class BearerTokens:
    """Makes and checks the tokens of one installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, key_id: str, secret: bytes, expires_at: int) -> str:
        """Return a token for an access key, up to a time."""
        name = urlsafe_b64encode(key_id.encode()).decode().rstrip("=")
        return f"npt_{name}.{expires_at}.{self._tag(key_id, secret, expires_at)}"

    def is_own(self, token: BearerToken, secret: bytes, now: int) -> bool:
        """Whether a token was made here for the key with this secret, and has not ended by `now`."""
        tag = self._tag(token.key_id, secret, token.expires_at)
        return hmac.compare_digest(tag.encode(), token.tag.encode()) and now < token.expires_at

    def _tag(self, key_id: str, secret: bytes, expires_at: int) -> str:
        # What comes before the secret has one form only, so no two tokens hash the same bytes.
        said = f"{len(key_id)}:{key_id}:{expires_at}:".encode() + secret
        digest = blake2b(said, key=self._key, digest_size=32, person=b"bearer-token").digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")


def read_token(text: str) -> BearerToken | None:
    """Return what a text says if it has a token's form, else None."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    try:
        key_id = urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except ValueError:
        return None
    return BearerToken(key_id, int(found[2]), found[3])
