"""What a status query has to wait while batches are submitted back to back and created."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench.batches import check_one, register_all, steady
from bench.calls import ROWS, sequential, sign_check, sign_status
from bench.figure import Figure, percentile
from bench.load import Generator, Job, Outcome
from bench.plan import Plan
from bench.sites import SQLITE, Site

_GROUP: Final = "mixed"
_RATE: Final = 100
_CONNECTIONS: Final = 16
_AT_ONCE: Final = 2
_POLL: Final = steady(0.02)
_MOST_SECONDS: Final = 60
_IDLE: Final = "the same server, idle"


@dataclass(slots=True)
class _Rounds:
    """What was measured, round by round."""

    busy: list[Outcome] = field(default_factory=list)
    idle: list[Outcome] = field(default_factory=list)


def measure(plan: Plan) -> list[Figure]:
    """Measure an idle and a busy server in turn; each round is a new installation."""
    site = plan.sites.make(SQLITE)
    count = plan.size(80, 20)
    plan.say(f"{_GROUP}: signing {count} calls")
    checks = [sign_check(site.product, sequential(number)) for number in range(count)]
    rounds = _Rounds()
    with Generator() as generator:
        for _ in plan.each_round(_GROUP):
            _measure(site, generator, checks, rounds)
    return _figures(rounds, count)


def _measure(site: Site, generator: Generator, checks: list[bytes], rounds: _Rounds) -> None:
    with site.copy() as copy, copy.serving() as server:
        apply_id = check_one(server.port, site.product)

        def during(work: Callable[[], object]) -> Outcome:
            """Send queries while something else is going on, and stop when that has ended."""
            requests = [sign_status(site.product, apply_id) for _ in range(_RATE * _MOST_SECONDS)]
            generator.start(Job(server.port, requests, b'"Success":true', _CONNECTIONS, _RATE))
            work()
            return generator.stop()

        def register() -> None:
            register_all(server.port, site.product, checks, _AT_ONCE, _POLL)

        rounds.idle.append(during(lambda: time.sleep(len(checks) / 20)))
        rounds.busy.append(during(register))


def _figures(rounds: _Rounds, count: int) -> list[Figure]:
    batches = median(count / outcome.seconds for outcome in rounds.busy)
    worst = max(max(outcome.latencies) for outcome in rounds.busy) * 1000
    note = (
        f"{_RATE} calls a second while {count} batches of {ROWS:,} are submitted and created, {_AT_ONCE} at once and "
        f"{batches:.1f} a second; timed from when each call was due. The longest of all was {worst:.0f} ms."
    )
    return [
        Figure(
            _GROUP,
            f"signed status query, p{percent}",
            "ms",
            [percentile(outcome.latencies, percent) * 1000 for outcome in rounds.busy],
            _IDLE,
            [percentile(outcome.latencies, percent) * 1000 for outcome in rounds.idle],
            note=note,
        )
        for percent in (50, 99)
    ]
