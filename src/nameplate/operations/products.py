"""Products: the kinds that devices are of."""

from enum import Enum
from typing import Any, TypeVar

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.names import DESCRIPTION_LENGTH, is_product_name
from nameplate.domain.product import (
    NET_TYPE_NUMBERS,
    PRODUCT_KEY_LENGTH,
    PRODUCT_SECRET_LENGTH,
    AuthType,
    Commodity,
    DataFormat,
    NetType,
    NodeType,
    Protocol,
    Validation,
)
from nameplate.domain.secrets import mint_key, mint_text
from nameplate.errors import (
    ID2_NOT_OPEN,
    INVALID_AUTH_TYPE,
    INVALID_CATEGORY,
    INVALID_COMMODITY_CODE,
    INVALID_DATA_FORMAT,
    INVALID_NET_TYPE,
    INVALID_NODE_TYPE,
    INVALID_PRODUCT_NAME,
    INVALID_PROTOCOL_TYPE,
    INVALID_VALIDATE_TYPE,
    LONG_PRODUCT_DESCRIPTION,
    MISSING_DATA_FORMAT,
    PRODUCT_NAME_TAKEN,
)
from nameplate.operations.parameters import ProductKey, ProductName, check_range
from nameplate.refusal import Refusal
from nameplate.store.products import Product, seal
from nameplate.wire.operation import operation

_CATEGORY_LENGTH = 64
_PAGE_SIZE = 200

_Choice = TypeVar("_Choice", bound=Enum)


@operation("CreateProduct", role=Role.ADMIN)
def create_product(  # noqa: PLR0913, PLR0917 (the wire has this many parameters)
    call: Call,
    product_name: ProductName,
    node_type: int,
    aliyun_commodity_code: str | None = None,
    data_format: int | None = None,
    net_type: str = NetType.WIFI,
    protocol_type: str | None = None,
    auth_type: str | None = None,
    description: str | None = None,
    id2: bool = False,  # noqa: FBT001, FBT002 (the wire's parameter)
    category_key: str | None = None,
    validate_type: int = Validation.WEAK,
) -> Answer:
    """Create a product and mint its ProductKey and ProductSecret.

    A product with a thing model (`AliyunCommodityCode=iothub_senior`) needs a DataFormat. The properties that only the
    vendor's data processing reads (NetType, ProtocolType, CategoryKey, ValidateType) are kept and returned. Devices of
    a product with AuthType `x509` are given a certificate each; AuthType wins over Id2. Unlike the vendor's, it does
    not read PublishAuto, JoinPermissionId and ResourceGroupId, and refuses the NetType LORA and the AuthTypes id2 and
    one-party.
    """
    _check_texts(product_name, description)
    if category_key is not None and len(category_key) > _CATEGORY_LENGTH:
        raise INVALID_CATEGORY(most=_CATEGORY_LENGTH)
    if auth_type == "id2" or (auth_type is None and id2):
        raise ID2_NOT_OPEN()
    node = _choose(node_type, NodeType, INVALID_NODE_TYPE)
    commodity = _choose(aliyun_commodity_code or Commodity.BASIC, Commodity, INVALID_COMMODITY_CODE)
    if commodity is Commodity.SENIOR and data_format is None:
        raise MISSING_DATA_FORMAT()
    key, secret, material = (
        mint_text(PRODUCT_KEY_LENGTH),
        mint_text(PRODUCT_SECRET_LENGTH),
        mint_key(),
    )
    product = Product(
        id=call.store.counters.mint("product"),
        account_id=call.account_id,
        key=key,
        name=product_name,
        **seal(call.registry.master, key, secret, material),
        description=description,
        node_type=node,
        commodity=commodity,
        data_format=None if data_format is None else _choose(data_format, DataFormat, INVALID_DATA_FORMAT),
        auth_type=AuthType.SECRET if auth_type is None else _choose(auth_type, AuthType, INVALID_AUTH_TYPE),
        net_type=_choose(net_type, NetType, INVALID_NET_TYPE),
        protocol=None if protocol_type is None else _choose(protocol_type, Protocol, INVALID_PROTOCOL_TYPE),
        category=category_key,
        validation=_choose(validate_type, Validation, INVALID_VALIDATE_TYPE),
        created_at=call.now(),
    )
    if call.store.products.add(product, call.registry.limits.products) is None:
        raise PRODUCT_NAME_TAKEN()
    return {"ProductKey": key, "Data": _common(product, secret)}


@operation("QueryProduct", role=Role.READER)
def query_product(call: Call, product_key: ProductKey) -> Answer:
    """Return a product's properties, its ProductSecret and how many devices it has.

    Unlike the vendor's, it has no CategoryName, and ProductStatus is always DEVELOPMENT_STATUS.
    """
    product = call.product(product_key)
    more = {
        "ProductStatus": "DEVELOPMENT_STATUS",
        "DeviceCount": call.store.tallies.of_product(product.id),
        "GmtCreate": product.created_at,
        "NetType": NET_TYPE_NUMBERS[NetType(product.net_type)],
        "ValidateType": product.validation,
        "Owner": True,
        "CategoryKey": product.category,
    }
    return {"Data": _present(_common(product, product.open_secret(call.registry.master)) | more)}


@operation("QueryProductList", role=Role.READER)
def query_product_list(
    call: Call, current_page: int, page_size: int, aliyun_commodity_code: str | None = None
) -> Answer:
    """Return one page of the account's products, newest first; PageSize is 1 to 200.

    With AliyunCommodityCode only those with a thing model (`iothub_senior`), or without (`iothub`). Unlike the
    vendor's, it does not read ResourceGroupId.
    """
    check_range("CurrentPage", current_page, 1, 10**9)
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    commodity = None
    if aliyun_commodity_code:
        commodity = _choose(aliyun_commodity_code, Commodity, INVALID_COMMODITY_CODE)
    total = call.store.products.count(call.account_id, commodity)
    products = call.store.products.page(call.account_id, commodity, (current_page - 1) * page_size, page_size)
    return {
        "Data": {
            "CurrentPage": current_page,
            "PageSize": page_size,
            "PageCount": -(-total // page_size),
            "Total": total,
            "List": {"ProductInfo": [_listed(call, product) for product in products]},
        }
    }


@operation("UpdateProduct", role=Role.ADMIN)
def update_product(
    call: Call, product_key: ProductKey, product_name: ProductName, description: str | None = None
) -> Answer:
    """Rename a product, and describe it anew if Description is sent."""
    product = call.product(product_key)
    _check_texts(product_name, description)
    if not call.store.products.update(product.id, product_name, description):
        raise PRODUCT_NAME_TAKEN()
    return {}


@operation("DeleteProduct", role=Role.ADMIN)
def delete_product(call: Call, product_key: ProductKey) -> Answer:
    """Delete a product that has no devices and no batch that is being worked on; its ProductKey is never used again.

    Unlike the vendor's, which documents no code for it, a product that is still in use is refused with
    `iot.prod.DeleteProductFailed`.
    """
    call.store.products.delete(call.product(product_key).id, call.now())
    return {}


def _check_texts(name: str, description: str | None) -> None:
    if not is_product_name(name):
        raise INVALID_PRODUCT_NAME()
    if description is not None and len(description) > DESCRIPTION_LENGTH:
        raise LONG_PRODUCT_DESCRIPTION()


def _listed(call: Call, product: Product) -> dict[str, Any]:
    return _present(
        {
            "ProductKey": product.key,
            "ProductName": product.name,
            "NodeType": product.node_type,
            "DataFormat": product.data_format,
            "AuthType": product.auth_type,
            "DeviceCount": call.store.tallies.of_product(product.id),
            "GmtCreate": product.created_at,
            "Description": product.description,
        }
    )


def _common(product: Product, secret: str) -> dict[str, Any]:
    return _present(
        {
            "ProductKey": product.key,
            "ProductName": product.name,
            "ProductSecret": secret,
            "NodeType": product.node_type,
            "DataFormat": product.data_format,
            "AuthType": product.auth_type,
            "AliyunCommodityCode": product.commodity,
            "Description": product.description,
            "ProtocolType": product.protocol,
            "Id2": False,
        }
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _choose(value: object, choices: type[_Choice], refusal: Refusal) -> _Choice:
    found = next((choice for choice in choices if choice.value == value), None)
    if found is None:
        raise refusal(choices=", ".join(str(choice.value) for choice in choices))
    return found
