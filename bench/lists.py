"""A device list of millions, read: `python -m bench.lists --rows 10000000 --secrets`."""

import argparse
import gc
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from nameplate.files.detection import detect
from nameplate.files.layout import Layout
from nameplate.files.reading import read
from nameplate.files.sorting import Sorter

_PIECE: Final = 10_000
_NAME_BYTES: Final = 8
_SECRET_BYTES: Final = 16
_MEMORY: Final = 150_000_000


class Cost(NamedTuple):
    """What reading, sorting and giving out in parts has cost, up to one point; `peak` in MiB, of the process."""

    rows: int
    cpu: float
    wall: float
    peak: int


def write_list(path: Path, rows: int, *, secrets: bool) -> None:
    """Write a CSV file of so many random names (a multiple of 10,000), with secrets of their own or without."""
    with path.open("w", encoding="ascii", newline="") as file:
        file.write("DeviceName,DeviceSecret\r\n" if secrets else "DeviceName\r\n")
        for _ in range(rows // _PIECE):
            names = _random(_NAME_BYTES)
            ends = [f",{secret}\r\n" for secret in _random(_SECRET_BYTES)] if secrets else ["\r\n"] * _PIECE
            file.write("".join([name + end for name, end in zip(names, ends, strict=True)]))


def read_list(path: Path, spill: Path, memory: int = _MEMORY) -> tuple[Cost, Cost]:
    """Read, check and sort a file, and take it in parts; return what it cost up to the first part, and in all."""
    cpu, wall, count = time.process_time(), time.perf_counter(), 0
    layout = detect(lambda: path.open("rb"), path.name, Layout())
    with Sorter(spill, memory=memory) as sorter:
        for rows, _ in read(lambda: path.open("rb"), layout):
            sorter.add(rows)
            count += len(rows)
        taken = Cost(count, time.process_time() - cpu, time.perf_counter() - wall, _peak())
        count = sum(len(rows) for rows, _ in sorter.ordered(_PIECE))
    return taken, Cost(count, time.process_time() - cpu, time.perf_counter() - wall, _peak())


def main() -> None:
    """Measure once, in this process, as the server's reader does it: without collecting garbage that there is not."""
    options = _parser().parse_args()
    gc.disable()
    with TemporaryDirectory(prefix="nameplate-bench-") as scratch:
        path = Path(scratch) / "devices.csv"
        write_list(path, options.rows, secrets=options.secrets)
        print(f"{path.stat().st_size >> 20} MiB; {_peak()} MiB resident before")  # noqa: T201 (what it is for)
        costs = read_list(path, Path(scratch) / "spill", options.memory)
        for name, cost in zip(("read and checked", "sorted and taken in parts"), costs, strict=True):
            print(f"{name}: {cost.rows:,} rows, {cost.cpu:.1f} s CPU, {cost.wall:.1f} s, {cost.peak} MiB resident")  # noqa: T201 (likewise)


def _random(size: int) -> list[str]:
    digits = os.urandom(size * _PIECE).hex()
    return [digits[at : at + 2 * size] for at in range(0, len(digits), 2 * size)]


def _peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--secrets", action="store_true")
    parser.add_argument("--memory", type=int, default=_MEMORY, help="DuckDB's limit in bytes")
    return parser


if __name__ == "__main__":
    main()
