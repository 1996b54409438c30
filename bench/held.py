"""Nameplate's worker, started when a line comes in: so that several begin at once, and none while it is starting up.

A worker that is already running looks for work up to twenty times a second; a measurement of a second would feel that.
"""

import signal
import sys

from nameplate.server import make_workers, open_registry
from nameplate.settings import Settings


def main() -> None:
    """Work from the first line of stdin until SIGTERM."""
    stopping = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    settings = Settings()
    with open_registry(settings) as registry:
        workers = make_workers(registry, settings, settings.workers)
        registry.store.parts.backlog(registry.clock())
        sys.stdout.write("worker is ready\n")
        sys.stdout.flush()
        if sys.stdin.readline():
            workers.start()
            signal.sigwait(stopping)
            workers.stop()


if __name__ == "__main__":
    main()
