"""How often an operation may be called: the vendor's documented calls per second, per account.

They are in the "QPS limit" section of each operation's page; RAM users share their owner's.
"""

from collections.abc import Mapping
from threading import Lock
from typing import Final

_OPERATIONS: Final = {
    500: (
        "BatchAddDeviceGroupRelations BatchDeleteDeviceGroupRelations BatchRegisterDeviceWithApplyId CreateDeviceGroup "
        "DeleteDeviceGroup DeleteDeviceProp DeleteProduct DisableThing EnableThing GetDeviceStatus "
        "QueryDeviceGroupByDevice QueryDeviceGroupInfo QueryDeviceInfo ResetThing UpdateDeviceGroup"
    ),
    100: "BatchCheckImportDevice QueryDeviceGroupList",
    50: (
        "BatchGetDeviceState CreateProduct DeleteDevice ImportDevice QueryDevice QueryDeviceByStatus QueryDeviceDetail "
        "QueryDeviceProp QueryDeviceStatistics QueryImportedDeviceByApplyId QueryPageByApplyId QueryProduct "
        "QueryProductList SaveDeviceProp"
    ),
    30: "QueryBatchRegisterDeviceStatus RegisterDevice",
    10: (
        "BatchCheckDeviceNames BatchImportDevice BatchRegisterDevice BatchUpdateDeviceNickname QueryCertUrlByApplyId "
        "QueryDeviceCert UpdateProduct"
    ),
    5: "BatchQueryDeviceDetail QueryDeviceByTags QueryDeviceListByDeviceGroup",
}
RATES: Final = {action: rate for rate, actions in _OPERATIONS.items() for action in actions.split()}
"""Calls per second, by Action."""

_DEEP: Final = ("QueryDevice", "QueryProductList")
_DEEP_FROM: Final = 100_000
_DEEP_RATE: Final = 2
_SECOND_MS: Final = 1000


class Rates:
    """Counts the calls of each account and operation in the present second, in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._second = 0
        self._calls: dict[tuple[int, str, int], int] = {}

    def exceeded(self, account_id: int, action: str, parameters: Mapping[str, str], now: int) -> int | None:
        """Count a call made `now`, in milliseconds; return the rate that it exceeds, or None if it may go on."""
        rate = _DEEP_RATE if action in _DEEP and _is_deep(parameters) else RATES.get(action)
        if rate is None:
            return None
        key, second = (account_id, action, rate), now // _SECOND_MS
        with self._lock:
            if second != self._second:
                self._second = second
                self._calls.clear()
            count = self._calls.get(key, 0)
            if count >= rate:
                return rate
            self._calls[key] = count + 1
        return None


def _is_deep(parameters: Mapping[str, str]) -> bool:
    page, size = (parameters.get(name, "1") for name in ("CurrentPage", "PageSize"))
    # What is not a number is refused later.
    return page.isdecimal() and size.isdecimal() and len(page + size) < 40 and int(page) * int(size) >= _DEEP_FROM  # noqa: PLR2004 (digits)
