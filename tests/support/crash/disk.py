"""The independent checker: what a database's file holds, held against the ledger."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.crash.ledger import FINAL, BatchRow, DeviceRow, Ledger, Request

DEVICES: Final = """
SELECT device.id, product.key, device.name, nickname, device.secret IS NOT NULL,
(SELECT count(*) FROM certificate WHERE device_id = device.id)
FROM device NOT INDEXED JOIN product ON product.id = product_id ORDER BY device.id
"""


class Disk:
    """What a database's file holds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        def rows(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        self.damage = [text for (text,) in rows("PRAGMA integrity_check") if text != "ok"]
        self.damage += rows("PRAGMA foreign_key_check")
        self.answers: dict[str, int] = dict(rows("SELECT token, answer FROM client_token"))
        self.batches = {row[0]: BatchRow(*row) for row in rows("SELECT id, state, total, done, refused FROM batch")}
        self.parts = dict(rows("SELECT batch_id, sum(rows) FROM part GROUP BY batch_id"))
        self.waiting = {batch for (batch,) in rows("SELECT batch_id FROM part WHERE is_done = 0")}
        self.devices = [DeviceRow(*row) for row in rows(DEVICES)]
        self.refused = set(rows("SELECT batch_id, name FROM refusal"))
        self.tallies = dict(
            rows("SELECT key, sum(devices) FROM tally JOIN product ON product.id = product_id GROUP BY key")
        )
        self.certificates = rows("SELECT count(*) FROM certificate")[0][0]
        self.secrets = {batch for (batch,) in rows("SELECT batch_id FROM part_names WHERE secrets IS NOT NULL")}
        self.products = [name for (name,) in rows("SELECT name FROM product")]

    def check(self, ledger: Ledger) -> None:
        """Compare it with what was asked for and told."""
        assert self.damage == []
        self._check_products(ledger)
        asked = {request.token: request for request in list(ledger.requests)}
        assert self.answers.keys() <= asked.keys()
        done = {answer: asked[token] for token, answer in self.answers.items()}
        self._check_answers(ledger, asked.values())
        self._check_batches(done)
        self._check_devices(done)
        self._check_what_is_beside()

    def check_nothing_is_unfinished(self, ledger: Ledger) -> None:
        """Whatever was asked for is at its end."""
        assert all(request.ended and request.answer for request in ledger.requests)
        assert self.answers.keys() == {request.token for request in ledger.requests}
        assert self.waiting == set()
        assert {row.state for row in self.batches.values()} <= FINAL
        secrets = [shown.secret for request in ledger.requests for shown in request.shown.values()]
        assert len(set(secrets)) == len(secrets) == len(self.devices)

    def _check_products(self, ledger: Ledger) -> None:
        told = {name for name, data in ledger.products.items() if data}
        assert told <= set(self.products) <= ledger.products.keys()
        assert len(set(self.products)) == len(self.products)

    def _check_answers(self, ledger: Ledger, asked: Iterable[Request]) -> None:
        for request in asked:
            answer = self.answers.get(request.token)
            if request.answer is not None:
                assert answer == request.answer
            elif answer is not None:
                ledger.lost[request.token] = answer

    def _check_batches(self, done: Mapping[int, Request]) -> None:
        assert len(done) == len(self.answers)
        assert self.batches.keys() == {answer for answer, request in done.items() if request.is_batch}
        for row in self.batches.values():
            assert row.total == self.parts[row.id] == done[row.id].rows
            assert (row.id in self.waiting) == (row.state in {"CHECK", "CREATE"})
            assert row.refused == sum(batch == row.id for batch, _ in self.refused)
            assert not done[row.id].ended or row.state == done[row.id].ended

    def _check_devices(self, done: Mapping[int, Request]) -> None:
        names = Counter((device.product, device.name) for device in self.devices)
        assert [name for name, times in names.items() if times > 1] == []
        found: dict[int, list[DeviceRow]] = {}
        for device in self.devices:
            found.setdefault(device.answer(done), []).append(device)
        for answer, request in done.items():
            self._check_request(request, answer, found.pop(answer, []))
        assert found == {}

    def _check_what_is_beside(self) -> None:
        """Devices are counted right, certificates are devices', and secrets wait only until there are devices."""
        counted = Counter(device.product for device in self.devices)
        assert counted == {key: devices for key, devices in self.tallies.items() if devices}
        assert self.certificates == sum(device.certificates for device in self.devices)
        assert self.secrets <= self.waiting

    def _check_request(self, request: Request, answer: int, devices: list[DeviceRow]) -> None:
        assert {device.product for device in devices} <= {request.product}
        assert all(device.nickname == request.nicknames.get(device.name) for device in devices)
        refused = {name for batch, name in self.refused if batch == answer and request.is_batch}
        assert refused <= request.may_be_refused
        assert all(device.is_imported == bool(request.secrets) for device in devices)
        assert all(device.certificates == request.is_certified for device in devices)
        if request.is_certified:
            assert refused in (set(), set(request.names))
        else:
            assert {(request.product, name) for name in refused} <= {(row.product, row.name) for row in self.devices}
        is_created = not request.is_batch or self.batches[answer].state in {"CREATE_SUCCESS", "CREATE_FAILED"}
        names = [device.name for device in devices]
        if not is_created:
            assert names == []
        elif request.names:
            assert names == [name for name in request.names if name not in refused]
        else:
            assert len(names) == request.minted
        for device in devices if request.shown else []:
            assert request.shown[device.name].device == device.id


@contextmanager
def left_behind(directory: Path, data_dir: Path) -> Iterator[Disk]:
    """The database as a killed server left it; a copy, so that the next server finds it untouched."""
    copy = directory / "copy"
    copy.mkdir()
    for file in data_dir.glob("nameplate.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "nameplate.db")) as connection:
        yield Disk(connection)
    shutil.rmtree(copy)
