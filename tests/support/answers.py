"""Compares an answer, field by field, with what is stored."""

import json
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
    if "ErrorMsg" in record:
        return stored.refused(parameters["ApplyId"], record["DeviceName"])
    if "GroupId" in record:
        return stored.group(record["GroupId"])
    if "IotId" in record or "DeviceName" in record:
        return stored.device(record) | (stored.beijing(record) if action in _IN_BEIJING_TIME else {})
    if "ProductKey" in record and "ApplyId" not in parameters:
        return stored.product(record["ProductKey"])
    return _of_parameters(stored, action, parameters, record, path)


def _of_parameters(stored: Stored, action: str, parameters: Fields, record: Fields, path: str) -> Fields:
    """Return what is stored of the thing that was asked for."""
    if action == "GetDeviceStatus":
        return stored.device(parameters) if path else {}
    if action == "QueryDeviceCert":
        return stored.certificate(parameters)
    if action == "QueryDeviceProp":
        assert json.loads(record["Props"]) == stored.props(parameters)
        return record
    if action == "QueryDeviceStatistics":
        return stored.scope(parameters)
    if action == "QueryBatchRegisterDeviceStatus":
        return stored.batch(parameters["ApplyId"]) | stored.names(parameters["ApplyId"], path)
    if action == "QueryImportedDeviceByApplyId":
        return stored.batch(parameters["ApplyId"])
    return stored.batch(record["ApplyId"]) if "ApplyId" in record else {}
