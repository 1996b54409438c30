"""Parameters that several operations take, and times as the wire writes them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Final

from nameplate.errors import INVALID_PAGE, NULL_APPLY_ID, NULL_DEVICE_NAME, NULL_PRODUCT_KEY, NULL_PRODUCT_NAME
from nameplate.wire.operation import IfEmpty

ProductKey = Annotated[str, IfEmpty(NULL_PRODUCT_KEY)]
ProductName = Annotated[str, IfEmpty(NULL_PRODUCT_NAME)]
DeviceName = Annotated[str, IfEmpty(NULL_DEVICE_NAME)]
ApplyId = Annotated[int, IfEmpty(NULL_APPLY_ID)]

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BEIJING: Final = timezone(timedelta(hours=8))


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Refuse a page number or size that is out of range, with InvalidPageParams."""
    if not least <= value <= most:
        raise INVALID_PAGE(name=name, least=least, most=most)


def paging(page: int, size: int, total: int) -> dict[str, int]:
    """Return the fields that say which page of how many this is."""
    return {"Page": page, "PageSize": size, "PageCount": -(-total // size), "Total": total}


def utc(moment: int | None) -> str:
    """Write a time in milliseconds as the `Utc…` fields do; empty for one that has not come."""
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment // 1000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{moment % 1000:03d}Z")


def cookie_date(moment: int) -> str:
    """Write a time in milliseconds as the `Gmt…` fields of device lists do: a cookie's date, truly in GMT."""
    when = datetime.fromtimestamp(moment // 1000, UTC)
    # Not by strftime, which speaks the machine's language.
    return f"{_DAYS[when.weekday()]}, {when:%d}-{_MONTHS[when.month - 1]}-{when:%Y %H:%M:%S} GMT"


def beijing(moment: int | None) -> str:
    """Write a time in milliseconds as the `Gmt…` fields of device details do: in UTC+8, whatever their name says."""
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment // 1000, _BEIJING).strftime("%Y-%m-%d %H:%M:%S")
