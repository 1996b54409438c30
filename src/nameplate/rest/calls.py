"""One call to REST, and what all calls share."""

from collections.abc import Callable
from dataclasses import dataclass

from nameplate.call import Call
from nameplate.rest.access import Access
from nameplate.rest.events import Watchers
from nameplate.rest.turns import Uploads
from nameplate.store.access_keys import AccessKey


@dataclass(frozen=True, slots=True)
class Site:
    """What every call to REST in this process shares."""

    access: Access
    watchers: Watchers
    uploads: Uploads
    manifest_key: bytes
    """Signs manifests: an Ed25519 private key, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestCall(Call):
    """One call, authenticated."""

    site: Site
    key: AccessKey

    def once(self, idempotency_key: str | None, content: tuple[object, ...], work: Callable[[], int]) -> int:
        """Do what may be done twice without harm, but only once for an Idempotency-Key; return what it returned.

        Raises TOKEN_CONTENT_DIFFERS if the key came with another request before.
        """
        token = self.token(idempotency_key, *content)
        earlier = self.store.client_tokens.find(token)
        if earlier is not None:
            return earlier
        answer = work()
        self.store.client_tokens.add(token, answer, self.now())
        return answer
