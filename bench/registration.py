"""Devices per second, from names to CREATE_SUCCESS, and what the server's memory is like afterwards."""

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from bench import bare
from bench.batches import Timing, register, register_all, steady
from bench.calls import KINDS, ROWS, Connection, sign_check
from bench.figure import Figure, percentile
from bench.plan import Plan
from bench.processes import cpu_seconds, memory
from bench.sites import SQLITE, Site

_GROUP: Final = "registration"
_AT_ONCE: Final = 4
_POLL: Final = steady(0.02)
_ALONE_POLL: Final = steady(0.002)
_BARE: Final = "bare executemany"


@dataclass(slots=True)
class _Rounds:
    """What was measured of one kind of names, round by round."""

    rates: list[float] = field(default_factory=list)
    bare_rates: list[float] = field(default_factory=list)
    submits: list[list[float]] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    bare_batches: list[float] = field(default_factory=list)
    bare_alone: list[float] = field(default_factory=list)
    idle: list[dict[str, float]] = field(default_factory=list)
    loaded: list[dict[str, float]] = field(default_factory=list)
    server_cores: list[float] = field(default_factory=list)
    client_cores: list[float] = field(default_factory=list)


def measure(plan: Plan) -> list[Figure]:
    """Measure both kinds of names; each round is a new installation and a new database."""
    site = plan.sites.make(SQLITE)
    count, alone = plan.size(40, 10), plan.size(10, 4)
    measured: dict[str, _Rounds] = {}
    for kind, names in KINDS.items():
        plan.say(f"{_GROUP}, {kind} names: signing {count + alone} calls")
        batches = [names(number) for number in range(count + alone)]
        checks = [sign_check(site.product, batch) for batch in batches]
        rounds = measured[kind] = _Rounds()
        for _ in plan.each_round(f"{_GROUP}, {kind} names"):
            _register(site, checks[:count], checks[count:], rounds)
            with site.copy() as copy:
                seconds = bare.insert(copy, batches, bare.EXECUTEMANY)
            rounds.bare_rates.append(ROWS * count / sum(seconds[:count]))
            rounds.bare_batches.append(median(seconds[:count]))
            rounds.bare_alone.append(median(seconds[count:]))
    return [figure for kind, rounds in measured.items() for figure in _figures(kind, rounds, count)] + _memory(measured)


def _register(site: Site, checks: list[bytes], alone: list[bytes], rounds: _Rounds) -> None:
    with site.copy() as copy, copy.serving() as server:
        assert server.process is not None
        pid = server.process.pid
        rounds.idle.append(memory(pid))
        cpu, own, began = cpu_seconds(pid), time.process_time(), time.perf_counter()
        timings = register_all(server.port, site.product, checks, _AT_ONCE, _POLL)
        seconds = time.perf_counter() - began
        rounds.server_cores.append((cpu_seconds(pid) - cpu) / seconds)
        rounds.client_cores.append((time.process_time() - own) / seconds)
        rounds.loaded.append(memory(pid))
        rounds.rates.append(ROWS * len(checks) / seconds)
        rounds.submits.append([timing.submit * 1000 for timing in timings])
        rounds.alone.append(median(timing.total for timing in _one_by_one(server.port, site.product, alone)))


def _one_by_one(port: int, product: str, checks: list[bytes]) -> list[Timing]:
    with Connection(port) as connection:
        return [register(connection, product, check, _ALONE_POLL) for check in checks]


def _figures(kind: str, rounds: _Rounds, count: int) -> list[Figure]:
    note = (
        f"{count} batches of {ROWS:,} over HTTP, {_AT_ONCE} at once, each polled {_POLL}, "
        "until CREATE_SUCCESS; client and server share the cores. The baseline is one durable transaction per batch, "
        "the same rows into the same schema with the same pragmas."
    )
    shared = (
        f"Of the cores the server used {median(rounds.server_cores):.2f} and the client "
        f"{median(rounds.client_cores):.2f} ({kind} names)."
    )
    bare_batch = [seconds * 1000 for seconds in rounds.bare_batches]
    one = f"one {_BARE}"
    figures = [
        Figure(_GROUP, f"{kind} names", "devices/s", rounds.rates, _BARE, rounds.bare_rates, 0.5, note),
        *(
            Figure(
                _GROUP,
                f"{kind} names, submit call, p{percent}",
                "ms",
                [percentile(submits, percent) for submits in rounds.submits],
                one,
                bare_batch,
                note=shared,
            )
            for percent in (50, 99)
        ),
    ]
    alone = [seconds * 1000 for seconds in rounds.alone]
    bare_alone = [seconds * 1000 for seconds in rounds.bare_alone]
    lone_note = f"Submit to CREATE_SUCCESS, one batch at a time on top of the others, polled {_ALONE_POLL}."
    name = f"{kind} names, one batch alone, p50"
    return [*figures, Figure(_GROUP, name, "ms", alone, one, bare_alone, note=lone_note)]


def _memory(measured: dict[str, _Rounds]) -> list[Figure]:
    every = list(measured.values())
    return [
        Figure(
            _GROUP,
            f"server's memory afterwards, {field_name}",
            "MiB",
            [status[field_name] for rounds in every for status in rounds.loaded],
            "before",
            [status[field_name] for rounds in every for status in rounds.idle],
        )
        for field_name in ("VmRSS", "VmHWM")
    ]
