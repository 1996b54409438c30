"""Compares an answer, field by field, with what is stored."""

from collections.abc import Callable
from typing import Final

from tests.support.stored import Fields, Stored

# In UTC+8, whatever their names say; every other operation writes a cookie's date.
_IN_BEIJING_TIME: Final = ("QueryDeviceDetail", "BatchQueryDeviceDetail", "BatchGetDeviceState")
NOT_STORED: Final = frozenset(
    (
        *("RequestId", "Success"),
        *("Page", "PageNo", "CurrentPage", "PageSize", "PageCount", "TotalPage", "Total", "NextToken"),
        # What a call has done.
        *("ValidDeviceCount", "SuccessAddedDeviceCount", "SuccessDeviceCount", "AlreadyRelatedGroupDeviceCount"),
        *("ExceedTenGroupDeviceCount", "ErrorMessage"),
        # A link is made when it is asked for.
        "CertUrl",
    )
)
"""What an answer may say that the database does not hold."""


_BY_PARAMETERS: Final[dict[str, Callable[[Stored, Fields, str], Fields]]] = {
    "GetDeviceStatus": lambda stored, asked, _: stored.device(asked),
    "QueryDeviceCert": lambda stored, asked, _: stored.certificate(asked),
    "QueryDeviceProp": lambda stored, asked, _: stored.props(asked),
    "QueryDeviceStatistics": lambda stored, asked, _: stored.scope(asked),
    "QueryBatchRegisterDeviceStatus": lambda stored, asked, path: stored.batch(asked) | stored.names(asked, path),
    "QueryImportedDeviceByApplyId": lambda stored, asked, _: stored.batch(asked),
}
"""What is stored of the thing that a call's parameters name; the path says which part of the answer speaks of it."""

_BY_FIELD: Final[dict[str, Callable[[Stored, Fields, Fields], Fields]]] = {
    "ErrorMsg": lambda stored, record, asked: stored.refused(asked, record["DeviceName"]),
    "GroupId": lambda stored, record, _: stored.group(record["GroupId"]),
    "IotId": lambda stored, record, _: stored.device(record),
    "DeviceName": lambda stored, record, _: stored.device(record),
    "ProductKey": lambda stored, record, _: stored.product(record["ProductKey"]),
    "ApplyId": lambda stored, record, _: stored.batch(record),
}
"""What is stored of the thing that a part of an answer names by this field; the first counts."""


def check_stored(stored: Stored, action: str, parameters: Fields, answer: Fields) -> None:
    """Assert that every field of a successful answer is what is stored."""
    _check(answer, "", lambda record, path: _expected(stored, action, parameters, record, path))


def _check(record: Fields, path: str, expect: Callable[[Fields, str], Fields]) -> None:
    expected = expect(record, path)
    for name, value in record.items():
        if isinstance(value, dict):
            _check(value, f"{path}.{name}", expect)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                _check(item, f"{path}.{name}", expect)
        elif name in expected:
            assert value == expected[name], f"{path}.{name}"
        else:
            assert value == [] or name in NOT_STORED, f"{path}.{name} is compared with nothing"


def _expected(stored: Stored, action: str, parameters: Fields, record: Fields, path: str) -> Fields:
    """Return what is stored of the thing that a part of an answer speaks of."""
    if action == "BatchCheckImportDevice":
        # It keeps nothing.
        return record
    if action in _BY_PARAMETERS and "DeviceName" not in record:
        return _BY_PARAMETERS[action](stored, parameters, path)
    named = next((find for field, find in _BY_FIELD.items() if field in record), None)
    found = {} if named is None else named(stored, record, parameters)
    return found | stored.beijing(record) if action in _IN_BEIJING_TIME and "IotId" in record else found
