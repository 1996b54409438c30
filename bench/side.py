"""One kind of request under load: its rate, its percentiles, and what it costs the server."""

from dataclasses import dataclass, field
from statistics import median

from bench.figure import percentile
from bench.load import Generator, Job, Outcome
from bench.processes import cpu_seconds
from tests.support.server import Server


@dataclass(slots=True)
class Side:
    """What was measured of one kind of request."""

    outcomes: list[Outcome] = field(default_factory=list)
    server_cores: list[float] = field(default_factory=list)

    def percentiles(self, percent: float) -> list[float]:
        """Return a percentile of each round, in ms."""
        return [percentile(outcome.latencies, percent) * 1000 for outcome in self.outcomes]

    @property
    def rates(self) -> list[float]:
        """Return each round's answers per second."""
        return [outcome.per_second for outcome in self.outcomes]

    @property
    def costs(self) -> list[float]:
        """Return the server's CPU time for an answer in each round, in µs."""
        pairs = zip(self.server_cores, self.rates, strict=True)
        return [cores / rate * 1_000_000 for cores, rate in pairs]

    def shares(self, what: str) -> str:
        """Say how the cores were shared."""
        generator = median(outcome.cpu / outcome.seconds for outcome in self.outcomes)
        return f"{what} {median(self.server_cores):.2f} (generator {generator:.2f})"


def measure_side(server: Server, generator: Generator, job: Job, side: Side) -> None:
    """Do a job, and keep what it came to and what it cost."""
    assert server.process is not None
    pid = server.process.pid
    cpu = cpu_seconds(pid)
    outcome = generator.run(job)
    side.server_cores.append((cpu_seconds(pid) - cpu) / outcome.seconds)
    side.outcomes.append(outcome)
