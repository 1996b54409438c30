"""Imports: devices that bring the secrets they already have."""

from typing import Any, NamedTuple

from nameplate.call import Answer, Call
from nameplate.domain.access import Role
from nameplate.domain.batch import (
    ILLEGAL_NAME,
    ILLEGAL_SECRET,
    ILLEGAL_SN,
    REPEATED_NAME,
    ROWS_PER_CALL,
    TAKEN_NAME,
    Origin,
    State,
)
from nameplate.domain.device import Status, first_id
from nameplate.domain.imports import (
    ImportedRow,
    RefusedImport,
    is_imported_nickname,
    is_secret,
    is_sn,
    refuse_imports,
)
from nameplate.domain.names import is_device_name
from nameplate.errors import (
    BATCH_DOES_NOT_FIT,
    DEVICE_NOT_FOUND,
    INVALID_DEVICE_NAME,
    INVALID_IMPORTED_NICKNAME,
    INVALID_NAMES_LISTED,
    INVALID_ROWS_LISTED,
    INVALID_SECRET,
    INVALID_SN,
    NO_DEVICE_NAMES,
)
from nameplate.metrics import DEVICES_CREATED
from nameplate.operations.batches import find_batch
from nameplate.operations.capacity import rows_to_keep
from nameplate.operations.parameters import ApplyId, DeviceName, ProductKey, check_range
from nameplate.operations.selection import device_secret, identity
from nameplate.store.batches import NewBatch
from nameplate.store.devices import Device, secret_owner
from nameplate.store.products import Product
from nameplate.wire.operation import operation

_PAGE_SIZE = 200
_LISTS = {
    "InvalidDeviceNameList": (ILLEGAL_NAME, TAKEN_NAME),
    "InvalidDeviceSecretList": (ILLEGAL_SECRET,),
    "InvalidSnList": (ILLEGAL_SN,),
    "RepeatedDeviceNameList": (REPEATED_NAME,),
}


class Credentials(NamedTuple):
    """One row of DeviceList."""

    device_name: str
    device_secret: str
    sn: str | None = None


@operation("ImportDevice", role=Role.REGISTRAR)
def import_device(  # noqa: PLR0913, PLR0917 (the wire has this many parameters)
    call: Call,
    product_key: ProductKey,
    device_name: DeviceName,
    device_secret: str,
    sn: str | None = None,
    nickname: str | None = None,
    client_token: str | None = None,
) -> Answer:
    """Register one device with the secret that it already has.

    Unlike the vendor's, any product takes imports. With a ClientToken the same request may be sent again after a lost
    answer: it returns the same device.
    """
    product = call.product(product_key)
    _check_import(device_name, device_secret, sn or None, nickname or None)
    token = call.token(client_token, product_key, device_name, device_secret, sn, nickname)
    earlier = call.store.client_tokens.find(token)
    if earlier is not None:
        return _imported(call, product, earlier)
    number = call.store.devices.mint_id(product.id)
    new = Device(
        id=number,
        product_id=product.id,
        name=device_name,
        nickname=nickname or None,
        status=Status.UNACTIVE,
        generation=0,
        created_at=call.now(),
        sn=sn or None,
        secret=call.registry.master.seal(device_secret.encode(), secret_owner(number)),
    )
    added = call.store.devices.add(new, token, most=call.registry.limits.devices)
    if added == number:
        DEVICES_CREATED.inc()
    return _imported(call, product, added)


@operation("BatchCheckImportDevice", role=Role.READER)
def batch_check_import_device(
    call: Call, product_key: ProductKey, device_list: list[Credentials] | None = None
) -> Answer:
    """Say which rows of an import would be refused, and why; nothing is changed.

    A name that has a device already is listed under InvalidDeviceNameList. A call takes 10,000 rows. Unlike the
    vendor's, any product takes imports.
    """
    product = call.product(product_key)
    refused = _refused(call, product, _rows(call, device_list))
    lists: dict[str, Any] = {name: _listed(name, refused) for name in _LISTS}
    return {"Data": {**lists, "InvalidDetailList": [_detail(one) for one in refused]}}


@operation("BatchImportDevice", role=Role.REGISTRAR)
def batch_import_device(
    call: Call,
    product_key: ProductKey,
    device_list: list[Credentials] | None = None,
    client_token: str | None = None,
) -> Answer:
    """Register devices with the secrets that they already have; return an ApplyId.

    If any row is refused, the whole call is, and lists them all; the vendor does not say whether it is so there. Else
    the batch starts in CREATE: poll QueryBatchRegisterDeviceStatus until CREATE_SUCCESS. A call takes 10,000 rows.
    With a ClientToken the same request may be sent again: it returns the same ApplyId and registers nothing more.
    """
    product = call.product(product_key)
    rows = _rows(call, device_list)
    token = call.token(client_token, product_key, rows)
    earlier = call.store.client_tokens.find(token)
    if earlier is not None:
        return {"Data": {"ApplyId": earlier}}
    _refuse(_refused(call, product, rows))
    new = NewBatch(
        id=call.store.counters.mint("batch"),
        account_id=call.account_id,
        product_id=product.id,
        state=State.CREATE,
        total=len(rows),
        names=[row.name for row in rows],
        sns=[row.sn for row in rows] if any(row.sn for row in rows) else None,
        secrets=[row.secret for row in rows],
        seal=call.registry.master.seal,
    )
    apply_id = call.store.batches.add(new, token, call.now(), call.registry.limits.devices)
    call.registry.wake()
    return {"Data": {"ApplyId": apply_id}}


@operation("QueryImportedDeviceByApplyId", role=Role.READER)
def query_imported_device_by_apply_id(call: Call, apply_id: ApplyId, page_no: int, page_size: int) -> Answer:
    """Return one page of the devices that an import has created, in the order of its rows, with their secrets.

    PageSize is 1 to 200, the vendor's page says 50; PageNo is 1 to 10,000. Before creation has finished the list is
    empty.
    """
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    check_range("PageNo", page_no, 1, 10_000)
    batch = find_batch(call, apply_id)
    if batch.origin is not Origin.IMPORTED:
        raise BATCH_DOES_NOT_FIT(problem="the ApplyId is not one of BatchImportDevice")
    product, first = call.store.products.get(batch.product_id), first_id(batch.id)
    has_ended = batch.state in (State.CREATE_SUCCESS, State.CREATE_FAILED)
    created = batch.total - batch.refused if has_ended else 0
    skip = (page_no - 1) * page_size
    page = call.store.devices.page(first, first + batch.total - 1, skip, page_size) if created else []
    return {
        "ProductKey": product.key,
        "PageNo": page_no,
        "PageSize": page_size,
        "TotalPage": -(-created // page_size),
        "DeviceList": {"device": [_device(call, product, device) for device in page]},
    }


def _imported(call: Call, product: Product, device_id: int) -> Answer:
    device = call.store.devices.find(device_id)
    if device is None:
        raise DEVICE_NOT_FOUND()
    return {"Data": identity(call, product, device) | _present(device.sn)}


def _check_import(name: str, secret: str, sn: str | None, nickname: str | None) -> None:
    if not is_device_name(name):
        raise INVALID_DEVICE_NAME()
    if not is_secret(secret):
        raise INVALID_SECRET()
    if sn is not None and not is_sn(sn):
        raise INVALID_SN()
    if nickname is not None and not is_imported_nickname(nickname):
        raise INVALID_IMPORTED_NICKNAME()


def _rows(call: Call, sent: list[Credentials] | None) -> list[ImportedRow]:
    sent = sent or []
    kept = rows_to_keep(call, len(sent), ROWS_PER_CALL)
    if not kept:
        raise NO_DEVICE_NAMES()
    return [ImportedRow(row.device_name, row.device_secret, row.sn or None) for row in sent[:kept]]


def _refused(call: Call, product: Product, rows: list[ImportedRow]) -> list[RefusedImport]:
    """Return the rows that are refused, in order."""
    refused = {id(one.row): one for one in refuse_imports(rows)}
    sought = [row for row in rows if id(row) not in refused]
    taken = call.store.database.bulk.taken(product.id, [row.name for row in sought]) if sought else set()
    refused |= {id(row): RefusedImport(row, (TAKEN_NAME,)) for row in sought if row.name in taken}
    return [refused[id(row)] for row in rows if id(row) in refused]


def _refuse(refused: list[RefusedImport]) -> None:
    if not refused:
        return
    data = {name: {_inner(name): _listed(name, refused)} for name in _LISTS} | {
        "InvalidDetailList": {"InvalidDetailList": [_detail(one) for one in refused]}
    }
    message = refused[0].reasons[0]
    if any({ILLEGAL_NAME, REPEATED_NAME, TAKEN_NAME}.intersection(one.reasons) for one in refused):
        raise INVALID_NAMES_LISTED(message=message, data=data)
    raise INVALID_ROWS_LISTED(message=message, data=data)


def _inner(name: str) -> str:
    # InvalidDeviceNameList holds invalidDeviceName: lower-case on this operation only.
    word = name.removesuffix("List")
    return word[0].lower() + word[1:]


def _listed(name: str, refused: list[RefusedImport]) -> list[str]:
    listed = [one.row for one in refused if set(_LISTS[name]).intersection(one.reasons)]
    if name == "InvalidDeviceSecretList":
        return [row.secret for row in listed]
    return [row.sn or "" for row in listed] if name == "InvalidSnList" else [row.name for row in listed]


def _detail(one: RefusedImport) -> dict[str, str]:
    row = {"DeviceName": one.row.name, "DeviceSecret": one.row.secret, **_present(one.row.sn)}
    return {**row, "ErrorMsg": "|".join(one.reasons)}


def _device(call: Call, product: Product, device: Device) -> dict[str, str]:
    secret = device_secret(call, product, device)
    return {"ProductKey": product.key, "DeviceName": device.name, "DeviceSecret": secret, **_present(device.sn)}


def _present(sn: str | None) -> dict[str, str]:
    return {} if sn is None else {"Sn": sn}
