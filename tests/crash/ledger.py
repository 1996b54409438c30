"""What clients asked for and were told, small enough to be kept for a long run: secrets are in a file."""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from nameplate.server import clock
from tests.support.crash.ledger import read_credentials

FINAL: Final = frozenset({"CHECK_FAILED", "CREATE_SUCCESS", "CREATE_FAILED"})


class Kind(StrEnum):
    NAMED = "named"
    RACING = "racing"
    MINTED = "minted"
    SINGLE = "single"
    IMPORTED = "imported"


@dataclass(slots=True)
class Request:
    """One thing that a client wants. The names are the stem's, counted; or scattered, among those of other requests."""

    kind: Kind
    product: str
    count: int
    stem: str = ""
    first: int = 0
    is_scattered: bool = False
    token: str = field(default_factory=lambda: uuid4().hex)
    answer: int | None = None
    """The ApplyId, or the number of the device."""

    acknowledged_at: int = 0
    state: str = ""
    """The last one that it was told; empty until it is at its end."""

    @property
    def is_batch(self) -> bool:
        return self.kind is not Kind.SINGLE

    @property
    def names(self) -> list[str]:
        return [self.name(ordinal) for ordinal in range(self.count)]

    def name(self, ordinal: int) -> str:
        number = self.first + ordinal
        return f"{number}-{self.stem}" if self.is_scattered else f"{self.stem}-{number}"

    def secret(self, name: str) -> str:
        """What a device of an import brings."""
        return f"{self.token[:20]}:{name.rpartition('-')[2]}"


class Ledger:
    """Everything that was asked for and told, and whatever was wrong with it."""

    def __init__(self, path: Path) -> None:
        self.requests: list[Request] = []
        self.wrong: list[str] = []
        self.changed_secrets: list[str] = []
        self.repeats = 0
        """Calls that were sent again because nobody knew what had become of them."""

        self._lock = threading.Lock()
        self._shown = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._shown.execute("PRAGMA synchronous = OFF")
        self._shown.execute(
            "CREATE TABLE shown (device INTEGER PRIMARY KEY, product TEXT, name TEXT, secret TEXT, iot_id TEXT, at INT)"
        )

    def close(self) -> None:
        self._shown.close()

    def ask(self, request: Request) -> Request:
        with self._lock:
            self.requests.append(request)
        return request

    def hear(self, request: Request, answer: int) -> None:
        """Note what a request was answered; always the same."""
        if request.answer not in (None, answer):
            self.complain(f"{request} was answered {answer} later")
        request.answer = answer
        request.acknowledged_at = request.acknowledged_at or clock()

    def repeat(self) -> None:
        with self._lock:
            self.repeats += 1

    def complain(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def show(self, product: str, rows: Iterable[dict[str, str]]) -> None:
        """Note the devices that were shown, and whether any was shown otherwise before."""
        now = clock()
        shown = [(read_credentials(row), row["DeviceName"]) for row in rows]
        devices = [(found.device, product, name, found.secret, found.iot_id) for found, name in shown]
        if not devices:
            return
        span = (min(devices)[0], max(devices)[0])
        with self._lock:
            known = self._read(
                "SELECT device, product, name, secret, iot_id FROM shown WHERE device BETWEEN ? AND ?", span
            )
            before = {row[0]: row for row in known}
            self.changed_secrets += [
                f"{before[device[0]]} was shown as {device}"
                for device in devices
                if before.get(device[0], device) != device
            ]
            self._shown.execute("BEGIN")
            self._shown.executemany(
                "INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?, ?, ?)", [(*row, now) for row in devices]
            )
            self._shown.execute("COMMIT")

    def compare(self, request: Request, rows: Iterable[dict[str, str]]) -> None:
        """Note which imported devices were shown with a secret that they did not bring."""
        for row in rows:
            if row["DeviceSecret"] != request.secret(row["DeviceName"]):
                with self._lock:
                    self.changed_secrets.append(f"{row['DeviceName']} of {request} was shown with another secret")

    @property
    def secrets(self) -> int:
        """How many devices' secrets were shown."""
        with self._lock:
            return int(self._read("SELECT count(*) FROM shown")[0][0])

    @property
    def shared_secrets(self) -> int:
        """How many secrets were shown for more than one device."""
        with self._lock:
            counted = "SELECT count(*) FROM (SELECT 1 FROM shown GROUP BY secret HAVING count(*) > 1)"
            return int(self._read(counted)[0][0])

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._shown.execute(sql, values).fetchall()
