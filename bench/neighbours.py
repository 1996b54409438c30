"""What else ran on the machine meanwhile: figures taken beside much of it are no figures."""

import os
import time
from pathlib import Path
from typing import Final

from bench.processes import family_cpu_seconds

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_BUSY: Final = (0, 1, 2, 5, 6)
"""user, nice, system, irq and softirq, in the first line of /proc/stat."""

_STEAL: Final = 7


class Neighbours:
    """Counts, from now on, the cores that others used."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._stolen, self._others = _read()

    def cores(self) -> dict[str, float]:
        """Return the cores' worth of CPU time that other processes used, and that other machines on the host took."""
        seconds = time.perf_counter() - self._began
        stolen, others = _read()
        return {
            "other_processes": round((others - self._others) / seconds, 2),
            "other_machines": round((stolen - self._stolen) / seconds, 2),
        }


def _read() -> tuple[float, float]:
    fields = [int(field) / _TICKS for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system + family_cpu_seconds(os.getpid())
    return fields[_STEAL], sum(fields[field] for field in _BUSY) - mine
