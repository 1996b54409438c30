"""A program that is told to stop, once or many times at once."""

import os
import signal
import subprocess
import sys
import time

PROGRAM = """
import os, signal
from nameplate.signals import Stop
stop = Stop()
assert not stop.wait(0.01)
print("ready", flush=True)
while not stop.wait(0.0001):
    pass
print("stopped", flush=True)
"""


def test_many_signals_at_once_end_it_once() -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "ready\n"
            for number in (signal.SIGTERM, signal.SIGINT) * 5:
                os.kill(program.pid, number)
                time.sleep(0.0005)
            assert program.stdout.read() == "stopped\n"
        assert program.returncode in (0, -signal.SIGTERM, -signal.SIGINT)
