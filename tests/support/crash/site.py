"""A data directory, the server on it that is killed, and the clients that go on asking."""

import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from tests.support import killer
from tests.support.crash.disk import Disk, left_behind
from tests.support.crash.ledger import (
    Credentials,
    Ledger,
    Request,
    import_parameters,
    names_parameters,
    read_credentials,
)
from tests.support.killer import Order, Trap
from tests.support.server import Server
from tests.support.signer import sign_v1

LEASE: Final = "0.5"
PATIENCE: Final = 30


class Site:
    """A data directory, the server on it, and its clients' ledger."""

    def __init__(self, directory: Path, *, workers: str = "1") -> None:
        directory.mkdir()
        self.directory = directory
        self.trap = Trap(directory / "trap")
        self.server = Server(directory / "data", module=killer.MODULE, lease=LEASE, workers=workers)
        self.ledger = Ledger()
        self.kills = 0
        self.answered: dict[str, str] = {}
        """The last call that was answered, as it was signed."""
        self.lost_connection: Callable[[], None] = self.revive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.server.process is not None:
            self.server.kill()

    def start(self) -> Self:
        self.server.start(**self.trap.environment)
        return self

    def revive(self, order: Order | None = None) -> None:
        """Make sure that it was killed, look at what it left, and start it again; with its next end ordered."""
        assert self.server.stop() == -signal.SIGKILL
        self.kills += 1
        self.trap.disarm()
        with left_behind(self.directory, self.server.data_dir) as disk:
            disk.check(self.ledger)
        if order is not None:
            self.trap.arm(order)
        self.start()
        if order is None and self.answered:
            replayed = self.server.root.send("POST", self.answered)
            assert replayed.code == "SignatureNonceUsed", replayed

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Send a call, again and again if its answer is lost."""
        while True:
            client = self.server.root
            signed = client.parameters(action, parameters)
            signed["Signature"] = sign_v1("POST", signed, client.secret)
            try:
                answer: dict[str, Any] = client.send("POST", signed).json
            except (OSError, HTTPException):
                self.lost_connection()
            else:
                self.answered = signed
                return answer

    def told(self, action: str, **parameters: str) -> dict[str, Any]:
        """Send a call that has to succeed."""
        answer = self.call(action, **parameters)
        assert answer.get("Success"), answer
        return answer

    def create_product(self, **more: str) -> str:
        name = f"p_{uuid4().hex[:20]}"
        self.ledger.products[name] = {}
        answer = self.call("CreateProduct", ProductName=name, NodeType="0", **more)
        if not answer["Success"]:
            assert answer["Code"] == "iot.prod.AlreadyExistedProductName", answer
            return ""
        self.ledger.products[name] = answer["Data"]
        return str(answer["ProductKey"])

    def submit(self, request: Request) -> None:
        """Ask for it: the same parameters and the same ClientToken however often."""
        if not request.is_batch:
            self._register_device(request)
            return
        action, parameters = "BatchRegisterDevice", {"Count": str(request.minted)}
        if request.secrets:
            action, parameters = "BatchImportDevice", import_parameters(request)
        elif request.names:
            action, parameters = "BatchCheckDeviceNames", names_parameters(request)
        answer = self.told(action, ProductKey=request.product, ClientToken=request.token, **parameters)
        self.ledger.hear(request, int(answer["Data"]["ApplyId"]))

    def _register_device(self, request: Request) -> None:
        (name,) = request.names
        common = {"ProductKey": request.product, "DeviceName": name, "ClientToken": request.token}
        if request.secrets:
            answer = self.told("ImportDevice", DeviceSecret=request.secrets[name], **common)
        else:
            answer = self.told("RegisterDevice", **common)
        assert answer["Data"]["DeviceName"] == name
        shown = self._read(request, answer["Data"])
        self.ledger.hear(request, shown.device)
        assert request.shown in ({}, {name: shown})
        request.ended, request.shown = "CREATE_SUCCESS", {name: shown}

    def start_creation(self, request: Request) -> None:
        parameters = {"ProductKey": request.product, "ApplyId": str(request.answer)}
        assert self.told("BatchRegisterDeviceWithApplyId", **parameters)["Data"]["ApplyId"] == request.answer

    def status(self, request: Request) -> dict[str, Any]:
        parameters = {"ProductKey": request.product, "ApplyId": str(request.answer)}
        found: dict[str, Any] = self.told("QueryBatchRegisterDeviceStatus", **parameters)["Data"]
        return found

    def wait(self, request: Request) -> str:
        """Poll until a step has ended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = str(self.status(request)["Status"])
            if status not in {"CHECK", "CREATE"}:
                return status
            time.sleep(0.01)
        raise AssertionError(request)

    def conclude(self, request: Request) -> None:
        """Wait for the end, and keep what is shown."""
        status = self.wait(request)
        assert status in request.ends, (status, request)
        request.shown, request.ended = self.devices(request), status

    def devices(self, request: Request) -> dict[str, Credentials]:
        """What the API shows of a request's devices."""
        if not request.is_batch:
            data = self.told("QueryDeviceDetail", ProductKey=request.product, DeviceName=request.names[0])["Data"]
            return {data["DeviceName"]: self._read(request, data)}
        answer = self.told("QueryPageByApplyId", ApplyId=str(request.answer), PageSize="200")
        rows = answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        assert len(rows) == answer["Total"]
        return {row["DeviceName"]: self._read(request, row) for row in rows}

    def _read(self, request: Request, data: dict[str, str]) -> Credentials:
        """What a device is shown with: its secret, which is the imported one, or its private key."""
        shown, name = read_credentials(data), data["DeviceName"]
        if not request.is_certified:
            assert request.secrets.get(name, shown.secret) == shown.secret
            return shown
        assert not shown.secret
        found = self.told("QueryDeviceCert", ProductKey=request.product, DeviceName=name)["DeviceCertInfo"]
        return Credentials(found["PrivateKey"] + found["Certificate"], shown.iot_id)

    def fulfil(self, request: Request) -> None:
        """Take one request all the way."""
        self.submit(request)
        if not request.is_batch:
            return
        if request.names and not request.secrets and self.wait(request) == "CHECK_SUCCESS":
            self.start_creation(request)
        self.conclude(request)

    def review(self, requests: Iterable[Request]) -> None:
        """Ask over the API whether all that was told is still so."""
        for request in requests:
            assert self.devices(request) == request.shown
            if request.is_batch:
                assert self.status(request)["Status"] == request.ended

    def finish(self) -> None:
        """Ask for everything once more, review everything, and look at the file."""
        for request in list(self.ledger.requests):
            self.submit(request)
        self.review(self.ledger.requests)
        for name, data in self.ledger.products.items():
            if data:
                told = self.told("QueryProduct", ProductKey=data["ProductKey"])["Data"]
                assert (told["ProductName"], told["ProductSecret"]) == (name, data["ProductSecret"])
        with closing(sqlite3.connect(f"file:{self.server.data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
            disk = Disk(connection)
        disk.check(self.ledger)
        disk.check_nothing_is_unfinished(self.ledger)
        assert self.server.stop() == 0
        assert "Traceback" not in self.server.log
