"""What /proc says of a process."""

import os
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT: Final = 1
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
    fields: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields[int(entry.name)] = _fields(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    family = {ancestor}
    while more := {pid for pid, found in fields.items() if int(found[_PARENT]) in family} - family:
        family |= more
    return sum(_seconds(fields[pid][_ALL_TIMES]) for pid in family - {ancestor})


def _fields(pid: int) -> list[str]:
    # What comes before is the program's name, which may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS
