"""Servers under measurement: `nameplate serve` in a process of its own, on a free port, with its own data."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from bench.calls import Connection, sign
from tests.support.server import Server

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER_TIME: Final = 11
_SYSTEM_TIME: Final = 12


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """Run a server on a data directory; stops it at the end."""
    server = Server(directory)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.stop()


class Installation:
    """A new installation with one product and no device, of which every round gets a copy of its own.

    So calls that were signed once are good, and fresh, in every round.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._original = Path(mkdtemp(dir=scratch)) / "data"
        with serving(self._original) as server, Connection(server.port) as connection:
            made = connection.call(sign("CreateProduct", {"ProductName": "measured", "NodeType": "0"}))
        self.product = str(made["ProductKey"])

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """Make a copy of the data directory; removed at the end."""
        holder = Path(mkdtemp(dir=self._scratch))
        try:
            yield Path(shutil.copytree(self._original, holder / "data"))
        finally:
            shutil.rmtree(holder)

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run a server on a copy."""
        with self.copy() as directory, serving(directory) as server:
            yield server


def memory(server: Server) -> dict[str, float]:
    """Return what /proc says of a server's memory, in MiB: VmRSS, VmHWM and the like, by name."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}


def cpu_seconds(server: Server) -> float:
    """Return the CPU time a server has used, all threads together."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / _TICKS
