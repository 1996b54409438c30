"""What /proc says of a process."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_OWN_TIMES: Final = slice(11, 13)
_ALL_TIMES: Final = slice(11, 15)


def memory(pid: int) -> dict[str, float]:
    """Return what it says of its memory, in MiB: VmRSS, VmHWM and the like, by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}


def cpu_seconds(pid: int) -> float:
    """Return the CPU time it has used, all threads together."""
    return _seconds(_fields(pid)[_OWN_TIMES])


def family_cpu_seconds(ancestor: int) -> float:
    """Return the CPU time of everything that descends from a process and still runs, and of what that has outlived."""
    total = 0.0
    for pid in descendants(ancestor):
        with suppress(FileNotFoundError, ProcessLookupError):
            total += _seconds(_fields(pid)[_ALL_TIMES])
    return total


def descendants(pid: int) -> list[int]:
    """Return the processes that descend from one and still run."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found + [below for child in found for below in descendants(child)]


def _fields(pid: int) -> list[str]:
    # What comes before is the program's name, which may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS
