"""A batch's way through its states, as a client takes it."""

import time
from typing import Any

from tests.support.signer import Client, numbered

FINAL = ("CHECK_SUCCESS", "CHECK_FAILED", "CREATE_SUCCESS", "CREATE_FAILED")


def check(client: Client, product: str, names: list[str], **more: str) -> int:
    """Submit names and return the ApplyId."""
    answer = client.call("BatchCheckDeviceNames", ProductKey=product, **numbered("DeviceName", names), **more)
    return int(answer["Data"]["ApplyId"])


def wait(client: Client, product: str, batch: int, seconds: float = 30, pause: float = 0.01) -> dict[str, Any]:
    """Poll until a step has ended, and return the status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = client.call("QueryBatchRegisterDeviceStatus", ProductKey=product, ApplyId=str(batch))["Data"]
        if status["Status"] in FINAL:
            found: dict[str, Any] = status
            return found
        time.sleep(pause)
    message = f"batch {batch} is still in {status['Status']}"
    raise AssertionError(message)


def register(client: Client, product: str, names: list[str]) -> int:
    """Check names, create their devices, and return the ApplyId."""
    batch = check(client, product, names)
    assert wait(client, product, batch)["Status"] == "CHECK_SUCCESS"
    client.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=str(batch))
    assert wait(client, product, batch)["Status"] == "CREATE_SUCCESS"
    return batch


def bring(client: Client, product: str, secrets: dict[str, str]) -> int:
    """Import devices with their secrets, and return the ApplyId."""
    rows = {
        f"DeviceList.{number}.{field}": value
        for number, row in enumerate(secrets.items(), 1)
        for field, value in zip(("DeviceName", "DeviceSecret"), row, strict=True)
    }
    batch = int(client.call("BatchImportDevice", ProductKey=product, **rows)["Data"]["ApplyId"])
    assert wait(client, product, batch)["Status"] == "CREATE_SUCCESS"
    return batch


def devices(client: Client, batch: int) -> list[dict[str, str]]:
    """Page through every device of a batch."""
    rows: list[dict[str, str]] = []
    page = 1
    while True:
        answer = client.call("QueryPageByApplyId", ApplyId=str(batch), PageSize="200", CurrentPage=str(page))
        rows += answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        if page >= answer["PageCount"]:
            return rows
        page += 1
