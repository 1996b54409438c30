"""Batches: check names, create devices, ask how far it is, page through the secrets.

The wire calls a batch an application and its id an ApplyId; only this file does.
"""

from typing import Any, NamedTuple

from nameplate.call import Answer, Call, NameCheck, SlowAnswer
from nameplate.domain.access import Role
from nameplate.domain.batch import (
    ILLEGAL_NAME,
    ILLEGAL_NICKNAME,
    REPEATED_NAME,
    Origin,
    State,
    refuse_rows,
)
from nameplate.domain.device import first_id
from nameplate.domain.names import all_device_names
from nameplate.errors import (
    BATCH_DOES_NOT_FIT,
    BATCH_IS_CHECKING,
    BATCH_NOT_FOUND,
    INVALID_APPLY_ID,
    INVALID_COUNT,
    INVALID_NAMES_LISTED,
    NO_DEVICE_NAMES,
)
from nameplate.operations.capacity import foresee_room, rows_per_call, rows_to_keep
from nameplate.operations.parameters import ApplyId, ProductKey, check_range
from nameplate.operations.selection import device_secret
from nameplate.store.batches import Batch, NewBatch, RefusedName
from nameplate.wire.operation import operation

# The page says 50; a program of the vendor's own asks for 200 and relies on it.
_PAGE_SIZE = 200
_LOOKS = 64
_STARTED = "BatchRegisterDevice or BatchImportDevice has started this batch already"
_OF_FILE = "the rows of a batch that comes from a file are not listed here; see /v1/batches/{}/rows"
_HIDES_LISTS = (State.CHECK, State.CHECK_SUCCESS, State.CREATE, State.CREATE_SUCCESS)


class NamedDevice(NamedTuple):
    """One row of DeviceNameList."""

    device_name: str
    device_nickname: str | None = None


@operation("BatchCheckDeviceNames", role=Role.REGISTRAR)
def batch_check_device_names(
    call: Call,
    product_key: ProductKey,
    device_name: list[str] | None = None,
    device_name_list: list[NamedDevice] | None = None,
    client_token: str | None = None,
) -> Answer:
    """Submit names, with nicknames if DeviceNameList is used, and return the ApplyId that every later step needs.

    The names are checked in the background: poll QueryBatchRegisterDeviceStatus until CHECK_SUCCESS. Serial numbers
    that come after all others are checked at once, and so is every list between whose first and last name the product
    has no device: its batch begins in CHECK_SUCCESS. A call takes 10,000 names, 1,000 of an X.509 product; further ones
    are left out, which the header x-nameplate-warning says (or, with the setting `strict`, the call is refused). With a
    ClientToken the same request may be sent again: it returns the same ApplyId.
    """
    product = call.product(product_key)
    names, nicknames = _rows(device_name, device_name_list)
    if not names:
        raise NO_DEVICE_NAMES()
    token = call.token(client_token, product_key, names, nicknames)
    earlier = call.store.client_tokens.find(token)
    if earlier is not None:
        return {"Data": {"ApplyId": earlier}}
    names, nicknames = _cut(call, names, nicknames, rows_per_call(product))
    foresee_room(call, product.id, len(names))
    if call.registry.name_check is NameCheck.SYNC:
        _refuse_bad_rows(names, nicknames)
    state = State.CHECK_SUCCESS if _are_new(call, product.id, names, nicknames) else State.CHECK
    new = NewBatch(
        id=call.store.counters.mint("batch"),
        account_id=call.account_id,
        product_id=product.id,
        state=state,
        total=len(names),
        names=names,
        nicknames=nicknames,
    )
    apply_id = call.store.batches.add(new, token, call.now())
    if not new.is_checked:
        call.registry.wake()
    return {"Data": {"ApplyId": apply_id}}


@operation("BatchRegisterDevice", role=Role.REGISTRAR)
def batch_register_device(call: Call, product_key: ProductKey, count: int, client_token: str | None = None) -> Answer:
    """Register Count devices, 1 to 10,000, under names that are minted; return an ApplyId.

    There is nothing to check: the batch starts in CREATE. Of an X.509 product Count is at most 1,000. With a
    ClientToken the same request may be sent again: it returns the same ApplyId and registers nothing more.
    """
    product = call.product(product_key)
    most = rows_per_call(product)
    if not 1 <= count <= most:
        raise INVALID_COUNT(most=most)
    token = call.token(client_token, product_key, count)
    earlier = call.store.client_tokens.find(token)
    if earlier is not None:
        return {"Data": {"ApplyId": earlier}}
    new = NewBatch(
        id=call.store.counters.mint("batch"),
        account_id=call.account_id,
        product_id=product.id,
        state=State.CREATE,
        total=count,
    )
    apply_id = call.store.batches.add(new, token, call.now(), call.registry.limits.devices)
    call.registry.wake()
    return {"Data": {"ApplyId": apply_id}}


@operation("BatchRegisterDeviceWithApplyId", role=Role.REGISTRAR)
def batch_register_device_with_apply_id(call: Call, product_key: ProductKey, apply_id: ApplyId) -> Answer:
    """Start creating the devices whose names were checked under this ApplyId.

    May be sent again at any time after: it then changes nothing and returns the same ApplyId. The vendor does not say
    so; nor what happens after CHECK_FAILED, where this is refused and nothing is created.
    """
    batch = find_batch(call, apply_id, product_key)
    if batch.origin is not Origin.NAMED:
        how = "it comes from a file: apply it under /v1/batches" if batch.origin is Origin.FILE else _STARTED
        raise BATCH_DOES_NOT_FIT(problem=how)
    if batch.state is State.CHECK:
        raise BATCH_IS_CHECKING()
    if batch.state is State.CHECK_FAILED:
        raise BATCH_DOES_NOT_FIT(problem="the check has failed; correct the names and check them again")
    if call.store.batches.start_creation(batch, call.now(), call.registry.limits.devices):
        call.registry.wake()
    return {"Data": {"ApplyId": apply_id}}


@operation("QueryBatchRegisterDeviceStatus", role=Role.READER, inline=True)
def query_batch_register_device_status(call: Call, product_key: ProductKey, apply_id: ApplyId) -> Answer | SlowAnswer:
    """Return a batch's state and, once it has failed, which names were accepted and which refused, and why.

    The lists are empty in every other state: page the devices with QueryPageByApplyId. `Total`, `Done` and `Failed`
    count the rows of the present step and are an addition to the vendor's fields.
    """
    batch = find_batch(call, apply_id, product_key)
    if batch.origin is Origin.FILE:
        call.warnings.append(_OF_FILE.format(batch.id))
        return _status(batch, [], [])
    if batch.state in _HIDES_LISTS:
        return _status(batch, [], [])
    return lambda: _failed_status(call, batch)


@operation("QueryPageByApplyId", role=Role.READER, inline=True)
def query_page_by_apply_id(call: Call, apply_id: ApplyId, page_size: int = 10, current_page: int = 1) -> Answer:
    """Return one page of the devices that a batch has created, in the order of its rows, with their secrets.

    PageSize is 1 to 200; the vendor's page says 50. Before creation has finished the list is empty and Total is 0.
    """
    check_range("PageSize", page_size, 1, _PAGE_SIZE)
    check_range("CurrentPage", current_page, 1, 10**9)
    batch = find_batch(call, apply_id)
    total = batch.devices if batch.state in (State.CREATE_SUCCESS, State.CREATE_FAILED) else 0
    page = {
        "Page": current_page,
        "PageSize": page_size,
        "PageCount": -(-total // page_size),
        "Total": total,
    }
    rows = _devices(call, batch, (current_page - 1) * page_size, page_size) if total else []
    return {**page, "ApplyDeviceList": {"ApplyDeviceInfo": rows}}


def find_batch(call: Call, apply_id: int, product_key: str | None = None) -> Batch:
    """Return the caller's batch; with a product key, only if it is that product's.

    Raises the ApplyId refusals.
    """
    batch = call.store.batches.find(apply_id)
    fits = product_key is None or (batch is not None and batch.product_key == product_key)
    if not fits:
        # What is wrong with the product is said first.
        call.product(str(product_key))
    if apply_id < 1:
        raise INVALID_APPLY_ID()
    if batch is None or batch.account_id != call.account_id:
        raise BATCH_NOT_FOUND()
    if not fits:
        raise BATCH_DOES_NOT_FIT(problem="the ApplyId is another product's")
    return batch


def _rows(names: list[str] | None, rows: list[NamedDevice] | None) -> tuple[list[str], list[str | None] | None]:
    """Return names and nicknames; DeviceNameList wins over DeviceName."""
    if not rows:
        return names or [], None
    nicknames = [row.device_nickname or None for row in rows]
    return [row.device_name for row in rows], nicknames if any(nicknames) else None


def _cut(
    call: Call, names: list[str], nicknames: list[str | None] | None, most: int
) -> tuple[list[str], list[str | None] | None]:
    kept = rows_to_keep(call, len(names), most)
    return names[:kept], nicknames and nicknames[:kept]


def _are_new(call: Call, product_id: int, names: list[str], nicknames: list[str | None] | None) -> bool:
    """Whether every row may be registered, as far as one look into the index can tell: False may be wrong."""
    bulk = call.store.database.bulk
    # Scattered names have others between them, which a few tell: a worker looks for each.
    few = names[:: max(1, len(names) // _LOOKS)]
    if not all_device_names(few) or not bulk.has_none_between(product_id, few):
        return False
    if refuse_rows(names, nicknames):
        return False
    # Of a short list the few are all, and have been looked at.
    return len(few) == len(names) or bulk.has_none_between(product_id, names)


def _refuse_bad_rows(names: list[str], nicknames: list[str | None] | None) -> None:
    rows = [
        RefusedName(names[row.ordinal], nicknames[row.ordinal] if nicknames else None, row.reason)
        for row in refuse_rows(names, nicknames)
    ]
    if not rows:
        return
    data = {
        "InvalidDeviceNameList": {"InvalidDeviceName": [row.name for row in rows if ILLEGAL_NAME in row.reason]},
        "InvalidDeviceNicknameList": {
            "InvalidDeviceNickname": [row.nickname for row in rows if ILLEGAL_NICKNAME in row.reason]
        },
        # Misspelt on the vendor's wire.
        "RepeatedDeviceNameList": {"RepeatDevieNameList": [row.name for row in rows if REPEATED_NAME in row.reason]},
        "InvalidDetailList": {"InvalidDetailList": [_detail(row) for row in rows]},
    }
    raise INVALID_NAMES_LISTED(message=rows[0].reason, data=data)


def _status(batch: Batch, accepted: list[str], refused: list[RefusedName]) -> Answer:
    return {
        "Data": {
            "Status": batch.state,
            "ValidList": {"Name": accepted},
            "InvalidList": {"Name": list(dict.fromkeys(row.name for row in refused))},
            "InvalidDetailList": {"invalidDetailList": [_detail(row) for row in refused]},
            "Total": batch.total,
            "Done": batch.done,
            "Failed": batch.refused,
        }
    }


def _failed_status(call: Call, batch: Batch) -> Answer:
    refused = call.store.batches.refused(batch.id)
    if batch.state is State.CREATE_FAILED:
        first = first_id(batch.id)
        devices = call.store.devices.page(first, first + batch.total - 1, 0, batch.total)
        return _status(batch, [device.name for device in devices], refused)
    names = {row.name for row in refused}
    return _status(batch, [name for name in call.store.batches.names(batch.id) if name not in names], refused)


def _detail(row: RefusedName) -> dict[str, str]:
    name = {"DeviceName": row.name} if row.nickname is None else {"DeviceName": row.name, "NickName": row.nickname}
    return {**name, "ErrorMsg": row.reason}


def _devices(call: Call, batch: Batch, skip: int, size: int) -> list[dict[str, Any]]:
    product = call.store.products.get(batch.product_id)
    ids = call.registry.iot_ids
    first = first_id(batch.id)
    return [
        {
            "DeviceId": ids.device_id(device.id),
            "DeviceName": device.name,
            "DeviceSecret": device_secret(call, product, device),
            "IotId": ids.iot_id(device.id),
        }
        for device in call.store.devices.page(first, first_id(batch.id + 1) - 1, skip, size)
    ]
