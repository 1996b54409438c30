"""What PostgreSQL gives: the same rows by binary COPY, one durable transaction per batch, from so many processes."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from typing import Final

import psycopg

from bench.sites import Site
from nameplate.domain.device import first_id

COPY: Final = "bare binary COPY, sorted"
_COPY: Final = "COPY device (id, product_id, name, created_at) FROM STDIN (FORMAT BINARY)"
_TYPES: Final = ("int8", "int4", "text", "int8")
_CREATED_AT: Final = 1_700_000_000_000
_PATIENCE: Final = 900

Row = tuple[int, int, str, int]
Numbered = tuple[int, Sequence[str]]


def insert(site: Site, batches: Sequence[Sequence[str]], writers: int, number: int = 1) -> float:
    """Insert every batch's names into a registry's own database and return how long that took, in seconds.

    Rows are made and sorted, and connections open, before the clock starts.
    """
    assert site.url is not None
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(writers + 1, timeout=_PATIENCE)
    numbered = list(enumerate(batches, number))
    processes = [
        context.Process(target=_write, args=(site.url, numbered[writer::writers], barrier)) for writer in range(writers)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    os.sync()
    barrier.wait()
    began = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return seconds


def _write(url: str, batches: Sequence[Numbered], barrier: Barrier) -> None:
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT id FROM product").fetchone()
            assert found is not None
            parts = [_rows(found[0], batch) for batch in batches]
            connection.commit()
            barrier.wait()
            barrier.wait()
            for rows in parts:
                _copy(connection, rows)
            barrier.wait()
    except BaseException:
        barrier.abort()
        raise


def _copy(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for row in rows:
            copy.write_row(row)
    connection.commit()


def _rows(product: int, batch: Numbered) -> list[Row]:
    number, names = batch
    rows = [(device, product, name, _CREATED_AT) for device, name in enumerate(names, first_id(number))]
    return sorted(rows, key=lambda row: row[2])
