"""The processes of `serve --processes`, seen from outside."""

import struct
from pathlib import Path

from prometheus_client.multiprocess import MultiProcessCollector


def children(pid: int) -> set[int]:
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def calls(temporary: Path, pid: int, action: str) -> float:
    """How many calls one process has answered, by the counts that it shares with the others."""
    paths = [str(path) for path in temporary.glob(f"nameplate-metrics-*/counter_{pid}.db")]
    try:
        merged = MultiProcessCollector.merge(paths, accumulate=True)  # type: ignore[no-untyped-call]  # the library's
    except struct.error:
        # It has only just made its file.
        return 0.0
    samples = [sample for metric in merged for sample in metric.samples]
    found = [one.value for one in samples if one.name == "nameplate_calls_total" and one.labels["action"] == action]
    return float(sum(found))
