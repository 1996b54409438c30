"""Files of millions: read, planned and applied by a server, against a bare sorted load of the same rows."""

import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg

from bench.figure import Figure
from bench.plan import Plan
from bench.processes import cpu_seconds, descendants, memory
from bench.sites import POSTGRES, SQLITE, Site
from nameplate.call import Call
from nameplate.domain.access import Role
from nameplate.domain.batch import State
from nameplate.domain.device import first_id
from nameplate.domain.file_batch import Application, Policy
from nameplate.imports import file_batches, uploads
from nameplate.store.engines import SqliteDatabase

_GROUP: Final = "files"
_TARGET: Final = 0.5
_MOST_MIB: Final = 1024
_PER_TRANSACTION: Final = 10_000
_STRIDE: Final = 7_368_787
_CREATED_AT: Final = 1_700_000_000_000
_POLL_SECONDS: Final = 0.25
_RESIDENT: Final = "Server, reader and workers, resident."
_WORKERS: Final = 2
# As either is run: see the compose file.
_WHERE: Final = {SQLITE: "two workers of its own", POSTGRES: "two worker processes"}
_SEALED_BYTES: Final = 60
_INSERT: Final = "INSERT INTO device (id, product_id, name, created_at, secret) VALUES (?, ?, ?, ?, ?)"
_COPY: Final = "COPY device (id, product_id, name, created_at, secret) FROM STDIN (FORMAT BINARY)"
_TYPES: Final = ("int8", "int4", "text", "int8", "bytea")

Row = tuple[int, int, str, int, bytes | None]


def measure(plan: Plan) -> list[Figure]:
    """Measure files without and with secrets on both engines; each round is a new database."""
    rows = plan.file_rows
    figures = []
    for has_secrets in (False, True):
        path = plan.scratch / f"devices-{rows}-{has_secrets}.csv"
        _write_file(path, rows, has_secrets=has_secrets)
        for engine in (SQLITE, POSTGRES):
            figures += _measure(plan, engine, path, rows, has_secrets=has_secrets)
        path.unlink()
    return figures


def _measure(plan: Plan, engine: str, path: Path, rows: int, *, has_secrets: bool) -> list[Figure]:
    site = plan.sites.make(engine)
    what = f"{engine}, {'existing' if has_secrets else 'generated'} secrets"
    found: dict[str, list[float]] = defaultdict(list)
    for _ in plan.each_round(f"{_GROUP}, {what}"):
        for name, value in _import(site, path, rows).items():
            found[name].append(value)
        found["bare"].append(rows / _load_bare(site, rows, has_secrets=has_secrets))
    note = (
        f"{rows:,} rows with random names, in no order, as CSV; from the file's last byte until the batch is "
        f"CREATE_SUCCESS, with one server and {_WHERE[engine]}. The baseline inserts the same rows, made "
        f"and sorted beforehand, {_PER_TRANSACTION:,} in a durable transaction."
    )
    per_million = f"{what}, CPU seconds per million rows"
    return [
        Figure(_GROUP, what, "rows/s", found["rate"], "bare sorted load", found["bare"], _TARGET, note),
        Figure(_GROUP, f"{what}, most memory", "MiB", found["memory"], limit=_MOST_MIB, note=_RESIDENT),
        Figure(_GROUP, f"{per_million}, server and workers", "s", found["server"]),
        Figure(_GROUP, f"{per_million}, reader", "s", found["reader"]),
        Figure(_GROUP, f"{what}, until the plan", "s", found["planned"]),
        Figure(_GROUP, f"{what}, creation", "s", found["created"]),
    ]


def name_of(number: int, rows: int) -> str:
    """Return a name; those of higher numbers come later in order, and lie apart as random ones do."""
    width = (1 << 64) // rows
    return f"{number * width + (number * 0x9E3779B97F4A7C15 & ((1 << 64) - 1)) % width:016x}"


def _write_file(path: Path, rows: int, *, has_secrets: bool) -> None:
    with path.open("w") as file:
        file.write("DeviceName,DeviceSecret\n" if has_secrets else "DeviceName\n")
        for place in range(rows):
            name = name_of(place * _STRIDE % rows, rows)
            file.write(f"{name},{name[::-1]}{name}\n" if has_secrets else f"{name}\n")


def _import(site: Site, path: Path, rows: int) -> dict[str, float]:
    with site.copy() as copy, copy.open() as registry:
        product = registry.store.products.find(copy.product)
        assert product is not None
        call = Call(registry, "bench", product.account_id, Role.ADMIN, "")
        batch = file_batches.announce(call, copy.product, path.name).batch_id
        processes = _WORKERS if copy.url else 0
        embedded = {"workers": str(_WORKERS - processes)}
        with copy.serving(**embedded) as server, copy.working(processes) as workers:
            assert server.process is not None
            pids = [server.process.pid, *(worker.pid for worker in workers)]
            with uploads.receiving(call, batch, 0) as receiver, path.open("rb") as file:
                while chunk := file.read(2**20):
                    receiver.append(chunk)
                with _watched(pids) as seen:
                    began = time.perf_counter()
                    receiver.complete()
                    _wait(call, batch, State.CHECK_SUCCESS)
                    planned = time.perf_counter()
                    file_batches.apply(call, batch, Application(Policy.SKIP_INVALID))
                    _wait(call, batch, State.CREATE_SUCCESS)
                    ended = time.perf_counter()
        millions = rows / 1e6
        return {
            "rate": rows / (ended - began),
            "planned": planned - began,
            "created": ended - planned,
            "memory": seen["memory"],
            "server": seen["server"] / millions,
            "reader": seen["reader"] / millions,
        }


def _wait(call: Call, batch: int, state: State) -> None:
    while (found := file_batches.progress(call, batch)).state is not state:
        if found.problem or found.failed:
            raise RuntimeError(found)
        time.sleep(_POLL_SECONDS)


@contextmanager
def _watched(pids: Sequence[int]) -> Iterator[dict[str, float]]:
    """Note the most memory that a server, its children and workers have at a time, and the CPU time that they take."""
    seen = {"memory": 0.0, "server": 0.0, "reader": 0.0}
    before, ended = sum(map(cpu_seconds, pids)), threading.Event()

    def run() -> None:
        while not ended.wait(_POLL_SECONDS / 2):
            children = [child for pid in pids for child in descendants(pid)]
            resident = sum(_try(_resident, pid) for pid in (*pids, *children))
            seen["memory"] = max(seen["memory"], resident)
            seen["server"] = sum(map(cpu_seconds, pids)) - before
            seen["reader"] = max(seen["reader"], sum(_try(cpu_seconds, pid) for pid in children))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _resident(pid: int) -> float:
    return memory(pid)["VmRSS"]


def _try(ask: Callable[[int], float], pid: int) -> float:
    """Ask something about a process that may have ended."""
    with suppress(OSError, KeyError, IndexError):
        return ask(pid)
    return 0.0


def _load_bare(site: Site, rows: int, *, has_secrets: bool) -> float:
    with site.copy() as copy:
        os.sync()
        load = _load_postgres if copy.url else _load_sqlite
        return load(copy, rows, has_secrets=has_secrets)


def _parts(product: int, rows: int, *, has_secrets: bool) -> Iterator[list[Row]]:
    numbers = iter(range(rows))
    while some := list(islice(numbers, _PER_TRANSACTION)):
        ids = first_id(1)
        yield [
            (
                ids + number,
                product,
                name_of(number, rows),
                _CREATED_AT,
                os.urandom(_SEALED_BYTES) if has_secrets else None,
            )
            for number in some
        ]


def _load_sqlite(site: Site, rows: int, *, has_secrets: bool) -> float:
    database = SqliteDatabase(site.data_dir / "nameplate.db")
    lent = database.engine.raw_connection()
    try:
        connection = lent.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        (product,) = connection.execute("SELECT id FROM product").fetchone()
        return sum(_insert(connection, part) for part in _parts(product, rows, has_secrets=has_secrets))
    finally:
        lent.close()
        database.close()


def _insert(connection: sqlite3.Connection, part: Sequence[Row]) -> float:
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_INSERT, part)
    connection.execute("COMMIT")
    return time.perf_counter() - began


def _load_postgres(site: Site, rows: int, *, has_secrets: bool) -> float:
    assert site.url is not None
    with psycopg.connect(site.url) as connection:
        found = connection.execute("SELECT id FROM product").fetchone()
        assert found is not None
        connection.commit()
        return sum(_copy(connection, part) for part in _parts(found[0], rows, has_secrets=has_secrets))


def _copy(connection: psycopg.Connection, part: Sequence[Row]) -> float:
    began = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in part:
            copy.write_row(row)
    connection.commit()
    return time.perf_counter() - began
