"""What small batches have to wait while a file of a gigabyte is uploaded beside them."""

import multiprocessing
import time
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from bench.batches import register, steady
from bench.calls import ROOT, Connection, sign_check
from bench.figure import Figure, percentile
from bench.plan import Plan
from bench.sites import ENGINES, Site

_GROUP: Final = "uploads"
_NAMES: Final = 10
_POLL: Final = steady(0.002)
_PIECE: Final = 1 << 20
_TARGET: Final = 0.5
_IDLE: Final = "the same server, without an upload"


@dataclass(slots=True)
class _Rounds:
    """Milliseconds of every batch, and megabytes a second of every upload."""

    busy: list[list[float]] = field(default_factory=list)
    idle: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


def measure(plan: Plan) -> list[Figure]:
    """Measure both engines, each with two embedded workers; idle and busy in turn."""
    return [figure for engine in ENGINES for figure in _measure(plan, engine)]


def _measure(plan: Plan, engine: str) -> list[Figure]:
    site, rounds, size = plan.sites.make(engine), _Rounds(), plan.size(1 << 30, 1 << 28)
    names = (f"name-{number:09}" for number in range(10**9))
    with site.serving() as server:
        _sample(site, server.port, names, 3)
        for _ in plan.each_round(f"{_GROUP}, {engine}"):
            rounds.idle.append(_sample(site, server.port, names, 100))
            _during_upload(site, server.port, names, size, rounds)
    note = (
        f"A batch of {_NAMES} names from BatchCheckDeviceNames to CREATE_SUCCESS, one after the other, while "
        f"{size / 2**30:.2g} GiB go into a file over one connection, at {min(rounds.rates):.0f} MB a second."
    )
    return [
        Figure(
            _GROUP,
            f"{engine}, 10-name batch during an upload, p{percent}",
            "ms",
            [percentile(found, percent) for found in rounds.busy],
            _IDLE,
            [percentile(found, percent) for found in rounds.idle],
            target=_TARGET if percent == 50 else None,  # noqa: PLR2004 (the median)
            note=note,
        )
        for percent in (50, 99)
    ]


def _during_upload(site: Site, port: int, names: Any, size: int, rounds: _Rounds) -> None:  # noqa: ANN401 (an iterator)
    context = multiprocessing.get_context("spawn")
    began, took = context.Event(), context.Value("d", 0.0)
    uploading = context.Process(target=upload, args=(port, site.product, size, began, took))
    uploading.start()
    began.wait()
    found = []
    while uploading.is_alive():
        found += _sample(site, port, names, 1)
    uploading.join()
    rounds.rates.append(size / took.value / 1e6)
    rounds.busy.append(found)


def upload(port: int, product: str, size: int, began: Any, took: Any) -> None:  # noqa: ANN401 (what processes share)
    """Send so many bytes of a file that does not end with them; say when that begins, and how long it has taken."""
    piece = b"DeviceName,Nickname,DeviceSecret\n" * (_PIECE // 33)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(ROOT.id, ROOT.secret), timeout=600) as client:
        body = {"product_key": product, "name": "large.csv", "size": 2 * size}
        batch = client.post("/v1/batches", json=body).json()["batch_id"]
        headers = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}
        began.set()
        start = time.perf_counter()
        pieces = (piece for _ in range(size // len(piece)))
        answer = client.patch(f"/v1/batches/{batch}/file", content=pieces, headers=headers)
        answer.raise_for_status()
        took.value = time.perf_counter() - start


def _sample(site: Site, port: int, names: Any, count: int) -> list[float]:  # noqa: ANN401 (an iterator)
    """Register batches one after the other and return the milliseconds of each."""
    found = []
    with Connection(port) as connection:
        for _ in range(count):
            check = sign_check(site.product, [next(names) for _ in range(_NAMES)])
            found.append(register(connection, site.product, check, _POLL).total * 1000)
    return found
