"""How long the calls take that look something up, one after the other on one connection."""

from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from typing import Final, NamedTuple

from bench.calls import ROWS, sign
from bench.load import Generator, Job
from bench.sites import Site
from nameplate.domain.device import first_id

_PAGE: Final = 200
_WARM_UP: Final = 100


class _Known(NamedTuple):
    """A device that exists, and its batch."""

    product: str
    apply_id: int
    name: str
    iot_id: str
    page: int


_CALLS: Final[dict[str, Callable[[_Known], bytes]]] = {
    "QueryBatchRegisterDeviceStatus": lambda known: sign(
        "QueryBatchRegisterDeviceStatus", {"ProductKey": known.product, "ApplyId": str(known.apply_id)}
    ),
    f"QueryPageByApplyId, {_PAGE} a page": lambda known: sign(
        "QueryPageByApplyId",
        {"ApplyId": str(known.apply_id), "PageSize": str(_PAGE), "CurrentPage": str(known.page)},
    ),
    "QueryDeviceDetail by name": lambda known: sign(
        "QueryDeviceDetail", {"ProductKey": known.product, "DeviceName": known.name}
    ),
    "QueryDeviceDetail by IotId": lambda known: sign("QueryDeviceDetail", {"IotId": known.iot_id}),
}


def measure(site: Site, batches: Sequence[int], samples: int, calls: int) -> dict[str, list[float]]:
    """Return, for each call, the median of every sample in ms; each asks about random devices of these batches."""
    known = _choose(site, batches, calls * samples + _WARM_UP)
    found: dict[str, list[float]] = {name: [] for name in _CALLS}
    with site.serving(workers="0") as server, Generator() as generator:

        def ask(sign_one: Callable[[_Known], bytes], some: Sequence[_Known]) -> float:
            requests = [sign_one(one) for one in some]
            return median(generator.run(Job(server.port, requests, b'"Success":true', 1)).latencies) * 1000

        for sign_one in _CALLS.values():
            ask(sign_one, known[:_WARM_UP])
        for sample in range(samples):
            start = _WARM_UP + sample * calls
            for name, sign_one in _CALLS.items():
                found[name].append(ask(sign_one, known[start : start + calls]))
    return found


def _choose(site: Site, batches: Sequence[int], number: int) -> list[_Known]:
    chance = Random(number)  # noqa: S311 (the same ones every time)
    with site.open() as registry:

        def choose() -> _Known:
            apply_id, row = chance.choice(batches), chance.randrange(ROWS)
            device = registry.store.devices.find(first_id(apply_id) + row)
            assert device is not None
            iot_id = registry.iot_ids.iot_id(device.id)
            return _Known(site.product, apply_id, device.name, iot_id, row // _PAGE + 1)

        return [choose() for _ in range(number)]
