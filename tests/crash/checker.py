"""The independent checker: reads the database itself, with nothing of `nameplate`, and holds it against the ledger."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import psycopg

from tests.crash.ledger import FINAL, Kind, Ledger, Request

ROW: Final = 1 << 24
TAKEN: Final = "The device name already exists."
MOST_SAID: Final = 20

# Read from the table: an index that has lost its way would hide what is in it twice.
_FROM_TABLE: Final = "SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off"
_DEVICE: Final = {"sqlite": "device NOT INDEXED", "postgresql": "device"}
_TWICE: Final = "SELECT count(*) FROM (SELECT 1 FROM {device} GROUP BY {columns} HAVING count(*) > 1) AS twice"
_DEVICES: Final = """
SELECT device.id, product.key, device.name, device.secret IS NOT NULL
FROM device JOIN product ON product.id = product_id ORDER BY device.id
"""
_REFUSED: Final = "SELECT batch_id, ordinal, name, reason FROM refusal ORDER BY batch_id, ordinal"
_BATCHES: Final = """
SELECT batch.id, product.key, state, total, done, refused FROM batch JOIN product ON product.id = product_id
"""
_NONE: Final = {
    "rows that were refused and created": """
        SELECT count(*) FROM refusal JOIN device ON device.id = refusal.batch_id * 16777216 + refusal.ordinal
    """,
    "names that were refused and do not exist": """
        SELECT count(*) FROM refusal JOIN batch ON batch.id = refusal.batch_id
        LEFT JOIN device ON device.product_id = batch.product_id AND device.name = refusal.name
        WHERE device.id IS NULL
    """,
    "products whose devices are counted wrong": """
        SELECT count(*) FROM product WHERE (SELECT coalesce(sum(devices), 0) FROM tally WHERE product_id = product.id)
        <> (SELECT count(*) FROM device WHERE product_id = product.id)
    """,
    "parts that are not done": "SELECT count(*) FROM part WHERE is_done = 0 OR owner IS NOT NULL",
    "batches whose parts do not add up": """
        SELECT count(*) FROM batch WHERE total <> (SELECT sum(rows) FROM part WHERE part.batch_id = batch.id)
    """,
    "lists of names of batches that are created": """
        SELECT count(*) FROM part_names JOIN batch ON batch.id = batch_id WHERE state LIKE 'CREATE%'
    """,
}


class Cursor(Protocol):
    """What both drivers' cursors do."""

    def execute(self, query: Any, /) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


@dataclass
class Findings:
    """What a database holds, and what is wrong with it."""

    batches: int = 0
    devices: int = 0
    takeovers: int = 0
    lost_batches: int = 0
    duplicate_names: int = 0
    duplicate_ids: int = 0
    wrong: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        if len(self.wrong) < MOST_SAID:
            self.wrong.append(what)


def is_unfinished(url: str) -> bool:
    """Whether there is a batch that somebody has to go on with."""
    with _opened(url) as connection:
        return bool(_rows(connection, "SELECT 1 FROM part WHERE is_done = 0 LIMIT 1"))


def check(url: str, ledger: Ledger) -> Findings:
    """Compare all that is there with all that was asked for and told. Clients and workers must be at rest."""
    with _opened(url) as connection:
        return _Check(connection, url.partition(":")[0], ledger).run()


class _Check:
    def __init__(self, connection: Any, engine: str, ledger: Ledger) -> None:
        self._connection = connection
        self._engine = engine
        self._told = {request.answer: request for request in ledger.requests if request.answer is not None}
        self._tokens = {request.token: request.answer for request in ledger.requests}
        self._created: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._found = Findings()

    def run(self) -> Findings:
        found = self._found
        found.takeovers = self._count("SELECT count(*) FROM takeover")
        for what, sql in _NONE.items():
            count = self._count(sql)
            if count:
                found.complain(f"{count} {what}")
        self._read_devices()
        self._read_refusals()
        self._check_batches()
        self._check_singles()
        self._check_tokens()
        self._count_duplicates()
        return found

    def _read_devices(self) -> None:
        for number, product, name, brought in _stream(self._connection, _DEVICES):
            self._found.devices += 1
            batch, ordinal = divmod(number, ROW)
            request = self._told.get(number) or self._told.get(batch)
            if request is None or request.product != product:
                self._found.complain(f"nobody asked for the device {number}, {name}")
                continue
            self._created[number if request.kind is Kind.SINGLE else batch] += 1
            place = ordinal if request.is_batch else 0
            if place >= request.count or (request.stem and name != request.name(place)):
                self._found.complain(f"the device {number} is {name}; asked for was {request}")
            if brought != (request.kind is Kind.IMPORTED):
                self._found.complain(f"the device {number} has a secret that it brought, or has none; see {request}")

    def _read_refusals(self) -> None:
        for batch, ordinal, name, reason in _stream(self._connection, _REFUSED):
            self._refused[batch] += 1
            request = self._told.get(batch)
            if request is None or request.kind is not Kind.RACING or name != request.name(ordinal) or reason != TAKEN:
                self._found.complain(f"row {ordinal} of batch {batch}, {name}, was refused: {reason}")

    def _check_batches(self) -> None:
        batches = {row[0]: row for row in _rows(self._connection, _BATCHES)}
        self._found.batches = len(batches)
        for number, request in self._told.items():
            if request.is_batch and number not in batches:
                self._found.lost_batches += 1
                self._found.complain(f"lost: batch {number}, {request}")
        for number, *row in batches.values():
            asked = self._told.get(number)
            if asked is None or not asked.is_batch:
                self._found.complain(f"nobody was told of batch {number}")
            else:
                self._check_batch(number, asked, tuple(row))

    def _check_batch(self, number: int, request: Request, row: tuple[Any, ...]) -> None:
        created, refused = self._created[number], self._refused[number]
        state = row[1]
        if row != (request.product, request.state, request.count, request.count, refused) or state not in FINAL:
            self._found.complain(f"batch {number} is {row}, with {refused} refused; told was {request}")
        if created != (0 if state == "CHECK_FAILED" else request.count - refused):
            self._found.complain(f"batch {number} has {created} devices and {refused} refused; asked for was {request}")

    def _check_singles(self) -> None:
        for number, request in self._told.items():
            if request.kind is Kind.SINGLE and self._created[number] != 1:
                self._found.complain(f"lost: device {number}, {request}")

    def _check_tokens(self) -> None:
        kept = dict(_rows(self._connection, "SELECT token, answer FROM client_token"))
        if kept != self._tokens:
            differ = [
                token for token in kept.keys() | self._tokens.keys() if kept.get(token) != self._tokens.get(token)
            ]
            self._found.complain(f"{len(differ)} ClientTokens stand for something else, for example {differ[:3]}")

    def _count_duplicates(self) -> None:
        if self._engine == "postgresql":
            self._connection.execute(_FROM_TABLE)
        device = _DEVICE[self._engine]
        self._found.duplicate_names = self._count(_TWICE.format(device=device, columns="product_id, name"))
        self._found.duplicate_ids = self._count(_TWICE.format(device=device, columns="id"))
        if self._engine == "sqlite":
            damage = _rows(self._connection, "PRAGMA integrity_check") + _rows(
                self._connection, "PRAGMA foreign_key_check"
            )
            if damage != [("ok",)]:
                self._found.complain(f"the file is damaged: {damage[:3]}")

    def _count(self, sql: str) -> int:
        return int(_rows(self._connection, sql)[0][0])


def _rows(connection: Any, sql: str) -> list[Any]:
    return list(connection.execute(sql).fetchall())


def _stream(connection: Any, sql: str) -> Iterator[Any]:
    if isinstance(connection, sqlite3.Connection):
        yield from connection.execute(sql)
        return
    with connection.cursor("stream") as cursor:
        cursor.itersize = 20_000
        yield from cursor.execute(sql)


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            yield connection
        return
    with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)) as opened:
        yield opened
