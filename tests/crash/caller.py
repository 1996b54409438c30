"""One client: calls any server, and again when it does not know what was done."""

import random
import time
from http.client import HTTPException
from typing import Any, Final

from tests.crash.ledger import Kind, Ledger, Request
from tests.crash.topology import Topology
from tests.support.crash.ledger import read_credentials
from tests.support.server import ROOT_ID, ROOT_SECRET
from tests.support.signer import Client, numbered, sign_v1

CALL_SECONDS: Final = 240
BATCH_SECONDS: Final = 240
TIMEOUT: Final = 20
PAGE: Final = 200
MOST_PAGES: Final = 5


class Caller:
    """One client: calls any server, until it is answered."""

    def __init__(self, topology: Topology, ledger: Ledger, chance: random.Random) -> None:
        self.ledger = ledger
        self.chance = chance
        self._servers = topology.servers

    def call(self, action: str, **parameters: str) -> dict[str, Any]:
        """Send a call, the same one again while nobody knows what has become of it."""
        end = time.monotonic() + CALL_SECONDS
        while time.monotonic() < end:
            answer = self._try(action, parameters)
            if answer is not None:
                return answer
            self.ledger.repeat()
            time.sleep(self.chance.uniform(0.02, 0.3))
        message = f"{action} was not answered in {CALL_SECONDS} s"
        raise TimeoutError(message)

    def told(self, action: str, **parameters: str) -> dict[str, Any]:
        """Send a call that has to succeed."""
        answer = self.call(action, **parameters)
        if not answer.get("Success"):
            message = f"{action} was answered {str(answer)[:500]}"
            raise ValueError(message)
        return answer

    def _try(self, action: str, parameters: dict[str, str]) -> dict[str, Any] | None:
        client = Client(self.chance.choice(self._servers).port, ROOT_ID, ROOT_SECRET, timeout=TIMEOUT)
        signed = client.parameters(action, parameters)
        signed["Signature"] = sign_v1("POST", signed, ROOT_SECRET)
        try:
            answer = client.send("POST", signed)
            found = answer.json
        except (OSError, HTTPException, ValueError):
            return None
        if answer.status == 503:
            return None
        if answer.status >= 500:
            self.ledger.complain(f"{action} was answered {answer.status} {answer.text[:500]}")
            return None
        return found

    def submit(self, request: Request) -> None:
        """Ask for it: the same parameters and the same ClientToken however often."""
        common = {"ProductKey": request.product, "ClientToken": request.token}
        if request.kind is Kind.SINGLE:
            data = self.told("RegisterDevice", DeviceName=request.name(0), **common)["Data"]
            self.ledger.hear(request, read_credentials(data).device)
            self.ledger.show(request.product, [data])
            request.state = "CREATE_SUCCESS"
            return
        if request.kind is Kind.MINTED:
            answer = self.told("BatchRegisterDevice", Count=str(request.count), **common)
        elif request.kind is Kind.IMPORTED:
            answer = self.told("BatchImportDevice", **common, **_rows(request))
        else:
            answer = self.told("BatchCheckDeviceNames", **common, **numbered("DeviceName", request.names))
        self.ledger.hear(request, int(answer["Data"]["ApplyId"]))

    def status(self, request: Request) -> str:
        about = {"ProductKey": request.product, "ApplyId": str(request.answer)}
        return str(self.told("QueryBatchRegisterDeviceStatus", **about)["Data"]["Status"])

    def wait(self, request: Request, during: str) -> str:
        """Poll for as long as a batch is in one state, and return the next."""
        end = time.monotonic() + BATCH_SECONDS
        while time.monotonic() < end:
            status = self.status(request)
            if status != during:
                return status
            time.sleep(0.05)
        message = f"{request} is still in {during} after {BATCH_SECONDS} s"
        raise TimeoutError(message)

    def look(self, request: Request) -> None:
        """Have devices shown that a request has made: of a large batch the same few pages each time."""
        if not request.is_batch:
            data = self.told("QueryDeviceDetail", ProductKey=request.product, DeviceName=request.name(0))["Data"]
            self.ledger.show(request.product, [data])
            return
        if request.state == "CHECK_FAILED":
            return
        pages = self._page(request, 1)
        if pages > MOST_PAGES:
            others = random.Random(request.token).sample(range(2, pages + 1), MOST_PAGES - 1)  # noqa: S311 (pages, not a secret)
        else:
            others = list(range(2, pages + 1))
        for page in others:
            self._page(request, page)

    def _page(self, request: Request, number: int) -> int:
        answer = self.told(
            "QueryPageByApplyId", ApplyId=str(request.answer), PageSize=str(PAGE), CurrentPage=str(number)
        )
        rows = answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        self.ledger.show(request.product, rows)
        if request.kind is Kind.IMPORTED:
            self.ledger.compare(request, rows)
        return int(answer["PageCount"])


def _rows(request: Request) -> dict[str, str]:
    rows: dict[str, str] = {}
    for number, name in enumerate(request.names, 1):
        rows |= {f"DeviceList.{number}.DeviceName": name, f"DeviceList.{number}.DeviceSecret": request.secret(name)}
    return rows
