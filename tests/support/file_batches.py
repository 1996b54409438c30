"""Batches that come from files, in this process: sent, read by a real process, worked on only when told to."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from nameplate.call import Call, Registry
from nameplate.domain.access import Role
from nameplate.domain.device import first_id
from nameplate.domain.file_batch import Application, Outcome, Policy
from nameplate.domain.secrets import MasterKey
from nameplate.imports import file_batches, reading, uploads
from nameplate.imports.file_batches import Progress
from nameplate.imports.reader import Readers, heard
from nameplate.operations.selection import device_secret
from nameplate.settings import Settings
from nameplate.store.devices import Device
from nameplate.store.findings import StoredFinding
from nameplate.store.uploads import Upload
from tests.support.account import Account

ALL: Final = Application(Policy.ALL_OR_NOTHING)
VALID: Final = Application(Policy.SKIP_INVALID)
EXISTING: Final = Application(Policy.SKIP_EXISTING)
REPLACING: Final = Application(Policy.SKIP_INVALID, replaces=True)


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ("DeviceName",)) -> bytes:
    """Write a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def names(*texts: str) -> bytes:
    return table([text] for text in texts)


class NearReaders(Readers):
    """Has files read in this process, which is quicker to begin with than another one."""

    @contextmanager
    def running(self, upload: Upload) -> Iterator[Iterator[dict[str, Any]]]:
        order, lines = self.order(upload)
        told = io.BytesIO()
        reading.tell(order, lines, reading.Teller(told))
        told.seek(0)
        yield heard(told)


class Importer:
    """One account's files, for one product."""

    def __init__(
        self, registry: Registry, settings: Settings, account: Account | None = None, product: str = "pumps"
    ) -> None:
        self.registry = registry
        self.account = account or Account(registry)
        self.product = self.account.product(product)
        self.call = Call(registry, "test", self.account.id, Role.ADMIN, "http://127.0.0.1")
        self.readers = NearReaders(registry, settings)

    def move_to(self, master: MasterKey) -> None:
        """Go on with another master key, as after a restart."""
        self.registry = replace(self.registry, master=master)
        self.call = replace(self.call, registry=self.registry)
        self.account = Account(self.registry)

    def announce(self, **more: Any) -> int:
        return file_batches.announce(self.call, self.product, "devices.csv", **more).batch_id

    def send(self, batch: int, content: bytes, *, corrections: bool = False) -> None:
        with uploads.receiving(self.call, batch, 0, corrections=corrections) as receiver:
            receiver.append(content)
            receiver.complete()

    def submit(self, content: bytes, **more: Any) -> int:
        """Send a file, and have it read but not checked."""
        batch = self.announce(**more)
        self.send(batch, content)
        self.read()
        return batch

    def plan(self, content: bytes, **more: Any) -> int:
        """Send a file, and have it read and checked."""
        batch = self.submit(content, **more)
        self.work()
        return batch

    def load(self, content: bytes, application: Application = VALID) -> Progress:
        """Take a file all the way."""
        return self.apply(self.plan(content), application)

    def apply(self, batch: int, application: Application = VALID) -> Progress:
        file_batches.apply(self.call, batch, application)
        self.work()
        return self.progress(batch)

    def correct(self, batch: int, content: bytes, application: Application | None = None) -> Progress:
        """Send corrections, and have them read and checked."""
        uploads.correct(self.call, batch, "corrected.csv", application=application)
        self.send(batch, content, corrections=True)
        self.read()
        self.work()
        return self.progress(batch)

    def read(self) -> None:
        while self.readers.work():
            pass

    def work(self) -> None:
        self.account.work()

    def progress(self, batch: int) -> Progress:
        return file_batches.progress(self.call, batch)

    def findings(self, batch: int) -> list[StoredFinding]:
        return file_batches.findings(self.call, batch)

    def rows(self, batch: int, outcome: Outcome) -> list[str]:
        return [row.name for row in file_batches.rows(self.call, batch, outcome)]

    def devices(self, batch: int | None = None) -> dict[str, str]:
        """The names and secrets of a batch's devices, or of all."""
        store = self.registry.store
        found = store.products.find(self.product)
        assert found is not None
        low, high = (0, 2**62) if batch is None else (first_id(batch), first_id(batch + 1) - 1)
        devices = store.devices.after(low, high, low - 1, 1_000_000)
        return {device.name: device_secret(self.call, found, device) for device in devices}

    def device(self, name: str) -> Device:
        product = self.registry.store.products.find(self.product)
        assert product is not None
        found = self.registry.store.devices.find_name(product.id, name)
        assert found is not None
        return found

    def register(self, name: str, **more: Any) -> None:
        self.account.call("RegisterDevice", product_key=self.product, device_name=name, **more)
