"""How long a small batch takes, from its ApplyId to CREATE_SUCCESS, as a client sees it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from bench.batches import register, steady
from bench.calls import Connection, sign_check
from bench.cycle import Setup
from bench.figure import Figure, percentile
from bench.plan import Plan
from bench.sites import ENGINES, Site

_GROUP: Final = "latency"
_NAMES: Final = 10
_POLL: Final = steady(0.002)
_EMBEDDED_LIMIT_MS: Final = 50
_REMOTE_LIMIT_MS: Final = 500


def measure(plan: Plan) -> list[Figure]:
    """Measure both engines, with workers in the server and in a process beside it."""
    setups = [Setup(engine, 1, is_remote=remote) for engine in ENGINES for remote in (False, True)]
    return [figure for setup in setups for figure in _measure(plan, setup)]


def _measure(plan: Plan, setup: Setup) -> list[Figure]:
    site = plan.sites.make(setup.engine)
    samples = plan.size(30, 10)
    rounds: dict[int, list[float]] = defaultdict(list)
    with setup.running(site) as server:
        _sample(site, server.port, [[f"warm-{number}"] for number in range(3)])
        for number in plan.each_round(f"{_GROUP}, {setup.name}"):
            batches = [[f"r{number}-{sample}-{name}" for name in range(_NAMES)] for sample in range(samples)]
            rounds[number] = _sample(site, server.port, batches)
    note = (
        f"A batch of {_NAMES} names, from the answer of BatchCheckDeviceNames, through check and creation, to "
        f"CREATE_SUCCESS, polled {_POLL}; {samples} one after the other in a round."
    )
    limit = _REMOTE_LIMIT_MS if setup.is_remote else _EMBEDDED_LIMIT_MS
    return [
        Figure(
            _GROUP,
            f"{setup.name}, p{percent}",
            "ms",
            [percentile(found, percent) for found in rounds.values()],
            note=note,
            limit=own,
        )
        for percent, own in ((50, limit), (99, None))
    ]


def _sample(site: Site, port: int, batches: Sequence[Sequence[str]]) -> list[float]:
    """Register batches one after the other and return the milliseconds of each."""
    checks = [sign_check(site.product, names) for names in batches]
    with Connection(port) as connection:
        timings = [register(connection, site.product, check, _POLL) for check in checks]
    return [(timing.total - timing.submit) * 1000 for timing in timings]
