"""What monitoring asks: may calls be sent here, and how much is there to do."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from nameplate import metrics
from nameplate.call import Registry
from nameplate.leases import BEAT_SECONDS
from nameplate.refusal import RefusedError

_SILENT_MS: Final = int(3 * BEAT_SECONDS * 1000)


class Readiness(NamedTuple):
    """Whether calls can be answered and batches get done, and why not."""

    is_ready: bool
    checks: dict[str, str]


class Probes(Collector):
    """Reads the registry's state. Each method may take as long as the database does: call it in a thread."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def readiness(self) -> Readiness:
        """Look at the database, its schema, and whether a worker has said lately that it works."""
        store = self._registry.store
        try:
            schema = "ok" if store.is_current() else "another version's: run nameplate db upgrade"
            seen = store.workers.last_seen()
        except RefusedError as refused:
            return Readiness(is_ready=False, checks={"database": refused.message})
        works = seen is not None and self._registry.clock() - seen <= _SILENT_MS
        worker = "ok" if works else f"none has reported within {_SILENT_MS // 1000} s: start nameplate worker"
        return Readiness(schema == worker == "ok", {"database": "ok", "migrations": schema, "worker": worker})

    def metrics(self) -> bytes:
        """Return every metric as text."""
        return metrics.render(self)

    def collect(self) -> Iterable[Metric]:
        """Count what is in the database; nothing while it cannot be reached."""
        try:
            return list(self._collect())
        except RefusedError:
            return [_gauge("nameplate_database_up", "Whether the database can be reached.", 0)]

    def _collect(self) -> Iterable[Metric]:
        store, now = self._registry.store, self._registry.clock()
        yield _gauge("nameplate_database_up", "Whether the database can be reached.", 1)
        batches = GaugeMetricFamily("nameplate_batches", "Batches, by state.", labels=["state"])
        for state, count in store.batches.count_by_state().items():
            batches.add_metric([state.value], count)
        yield batches
        waiting, since = store.parts.backlog(now)
        yield _gauge("nameplate_parts_waiting", "Parts that no worker holds.", waiting)
        age = 0 if since is None else max(0, now - since) / 1000
        yield _gauge("nameplate_parts_waiting_seconds", "How long the oldest of them has waited.", age)
        alive = store.workers.count(now - _SILENT_MS)
        yield _gauge("nameplate_workers", "Worker processes that have reported lately.", alive)


def _gauge(name: str, documentation: str, value: Any) -> Metric:  # noqa: ANN401 (any number)
    return GaugeMetricFamily(name, documentation, value=value)
