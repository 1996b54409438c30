"""The create step alone: batches that wait for it, workers that do it, a clock."""

import os
import time
from typing import Final

from bench.sites import Site

_POLL_SECONDS: Final = 0.005


def create(site: Site, processes: int) -> float:
    """Let so many workers, a process each, create whatever waits; return the seconds from their start to the end."""
    with site.unfinished() as unfinished:
        with site.held(processes) as go:
            os.sync()
            began = time.perf_counter()
            go()
            while unfinished():
                time.sleep(_POLL_SECONDS)
            seconds = time.perf_counter() - began
        _require_success(site)
    return seconds


def _require_success(site: Site) -> None:
    with site.open() as registry:
        others = {state: count for state, count in registry.store.batches.count_by_state().items() if count}
    if set(others) - {"CREATE_SUCCESS"}:
        message = f"Batches ended in {others}."
        raise RuntimeError(message)
