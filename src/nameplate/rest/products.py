"""Products, for whoever imports into one."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from nameplate.domain.access import Role
from nameplate.domain.names import DESCRIPTION_LENGTH, is_product_name
from nameplate.domain.product import (
    PRODUCT_KEY_LENGTH,
    PRODUCT_SECRET_LENGTH,
    AuthType,
    Commodity,
    NetType,
    NodeType,
    Validation,
)
from nameplate.domain.secrets import mint_key, mint_text
from nameplate.errors import INVALID_PRODUCT_NAME, PRODUCT_NAME_TAKEN
from nameplate.rest.calls import RestCall
from nameplate.rest.replies import Reply
from nameplate.rest.routes import Answer, Body, IdempotencyKey, Limit, ProductKey, route
from nameplate.store import products as store


class Kind(StrEnum):
    """Whether devices of a product connect others."""

    DEVICE = "device"
    GATEWAY = "gateway"


_NEWEST: Final = 2**31 - 1
_NODE_TYPES: Final = {Kind.DEVICE: NodeType.DEVICE, Kind.GATEWAY: NodeType.GATEWAY}


class NewProduct(Body):
    """A product to create."""

    name: str = Field(description="4 to 30 columns of letters, digits, `_` and Chinese characters, which count 2.")
    kind: Kind = Kind.DEVICE
    auth_type: AuthType = Field(AuthType.SECRET, description="With x509 each device is given a certificate.")
    description: str | None = Field(None, max_length=DESCRIPTION_LENGTH)


class Product(Answer):
    """A product."""

    key: str
    name: str
    kind: Kind
    auth_type: AuthType
    description: str | None
    created_at: int = Field(description="Milliseconds since 1970 UTC.")


class ProductDetail(Product):
    """A product, with what only one at a time is asked for."""

    secret: str = Field(description="The ProductSecret.")
    devices: int = Field(description="How many it has.")


class ProductPage(Answer):
    """Products, newest first."""

    items: list[Product]
    next: str | None = Field(description="Send it as `after` for the next page; null on the last.")


@route("GET", "/v1/products", role=Role.READER)
def list_products(
    call: RestCall,
    after: Annotated[str | None, Field(description="`next` of the page before.")] = None,
    limit: Limit = 100,
) -> ProductPage:
    """List the account's products, newest first."""
    before = _NEWEST if after is None else call.product(after).id
    found = call.store.products.before(call.account_id, before, limit + 1)
    page = found[:limit]
    more = page[-1].key if len(found) > limit else None
    return ProductPage(items=[Product(**_common(product)) for product in page], next=more)


@route("POST", "/v1/products", role=Role.ADMIN, status=201)
def create_product(call: RestCall, body: NewProduct, idempotency_key: IdempotencyKey = None) -> Reply[ProductDetail]:
    """Create a product, and mint its key and secret. What else a product may be, CreateProduct of `/` takes."""
    if not is_product_name(body.name):
        raise INVALID_PRODUCT_NAME()
    token = call.token(idempotency_key, body.model_dump())
    new = _new(call, body)
    made = call.store.products.add(new, call.registry.limits.products, token)
    if made is None:
        raise PRODUCT_NAME_TAKEN()
    product = call.store.products.get(made)
    return Reply(_detail(call, product), {"location": f"/v1/products/{product.key}"})


@route("GET", "/v1/products/{product_key}", role=Role.READER)
def get_product(call: RestCall, product_key: ProductKey) -> ProductDetail:
    """Return a product, its secret and how many devices it has."""
    return _detail(call, call.product(product_key))


def _new(call: RestCall, body: NewProduct) -> store.Product:
    key, secret = mint_text(PRODUCT_KEY_LENGTH), mint_text(PRODUCT_SECRET_LENGTH)
    return store.Product(
        id=call.store.counters.mint("product"),
        account_id=call.account_id,
        key=key,
        name=body.name,
        **store.seal(call.registry.master, key, secret, mint_key()),
        description=body.description,
        node_type=_NODE_TYPES[body.kind],
        commodity=Commodity.BASIC,
        data_format=None,
        auth_type=body.auth_type,
        net_type=NetType.WIFI,
        protocol=None,
        category=None,
        validation=Validation.WEAK,
        created_at=call.now(),
    )


def _common(product: store.Product) -> dict[str, object]:
    kinds = {number: kind for kind, number in _NODE_TYPES.items()}
    return {
        "key": product.key,
        "name": product.name,
        "kind": kinds[NodeType(product.node_type)],
        "auth_type": product.auth_type,
        "description": product.description,
        "created_at": product.created_at,
    }


def _detail(call: RestCall, product: store.Product) -> ProductDetail:
    secret = product.open_secret(call.registry.master)
    return ProductDetail(**_common(product), secret=secret, devices=call.store.tallies.of_product(product.id))
