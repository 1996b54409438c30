"""What Prometheus is told, by process; of several processes of one server, the sums."""

import os
import struct
import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SHARED_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names where processes of one server keep their counts; the library reads it."""

_ATTEMPTS: Final = 9
_PAUSE_SECONDS: Final = 0.01

CALLS: Final = Counter("nameplate_calls", "Calls answered, by what came of them.", ["action", "outcome"])
CALL_SECONDS: Final = Histogram(
    "nameplate_call_seconds",
    "Time from a call's arrival to its answer.",
    ["action"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PART_SECONDS: Final = Histogram(
    "nameplate_part_seconds",
    "Time a worker needed for a step of the parts it had claimed together.",
    ["step"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
DEVICES_CREATED: Final = Counter("nameplate_devices_created", "Devices created.")
WEBHOOK_ATTEMPTS: Final = Counter("nameplate_webhook_attempts", "Webhooks told, or not.", ["outcome"])
CLAIMS_LOST: Final = Counter("nameplate_claims_lost", "Parts that another worker had taken over meanwhile.")
HOOKS: Final = Counter("nameplate_hooks", "Hooks of brokers answered, by what came of them.", ["hook", "outcome"])
HOOK_SECONDS: Final = Histogram(
    "nameplate_hook_seconds",
    "Time in which a hook was answered, without the wait for a thread.",
    ["hook"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
CLONES: Final = Counter("nameplate_clones", "Connections of an identity that was connected from elsewhere too.")


def render(collector: Collector | None = None) -> bytes:
    """Return every metric as text, and those of `collector`."""
    registry = CollectorRegistry()
    if os.environ.get(SHARED_DIR):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
    else:
        registry.register(_Own())
    if collector is not None:
        registry.register(collector)
    return _generate(registry)


def _generate(registry: CollectorRegistry) -> bytes:
    for _ in range(_ATTEMPTS):
        try:
            return generate_latest(registry)
        except struct.error:
            # The file of a process that starts is empty for a moment.
            time.sleep(_PAUSE_SECONDS)
    return generate_latest(registry)


class _Own(Collector):
    """The metrics of one process."""

    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()
