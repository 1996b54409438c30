"""The machine that figures are about."""

import os
import platform
import sqlite3
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.sites import Sites

_SYNCS: Final = 21
_PAGE: Final = b"\0" * 4096


def describe(sites: Sites) -> dict[str, Any]:
    """Describe the machine, its disk included: what one fsync of a page costs where the databases are."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": sites.postgres_version,
        "fsync_ms": round(_fsync(sites.scratch) * 1000, 3),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _fsync(scratch: Path) -> float:
    seconds = []
    with (scratch / "fsync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(_PAGE)
            began = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return median(seconds)
