"""REST of one process, put together."""

from concurrent.futures import ThreadPoolExecutor

from nameplate.call import Registry
from nameplate.domain.secrets import mint_key
from nameplate.domain.tokens import BearerTokens
from nameplate.rest import batches, documents, exports, plans, products, templates, tokens, uploads, webhooks
from nameplate.rest.access import Access
from nameplate.rest.application import Rest
from nameplate.rest.calls import Site
from nameplate.rest.events import Watchers
from nameplate.rest.turns import Uploads

ROUTED = (tokens, products, templates, batches, uploads, plans, exports, webhooks, documents)
"""The modules whose functions are routes, in the order of the reference."""

_THREADS = 4
_TOKENS = "bearer-token-key"
_MANIFESTS = "manifest-key"


def make_rest(registry: Registry) -> Rest:
    """Return the application, with the installation's own keys, which are minted when they are first needed."""
    kept = registry.store.installation.kept
    tokens_key = kept(registry.master, _TOKENS, mint_key)
    site = Site(
        access=Access(registry, BearerTokens(tokens_key)),
        watchers=Watchers(),
        uploads=Uploads(ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")),
        manifest_key=kept(registry.master, _MANIFESTS, mint_key),
    )
    return Rest(registry, site)
