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

TOLD_ANOTHER_THREAD = """
import signal, threading, time
from nameplate.signals import Stop
stop = Stop()
other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
other.start()
threading.Timer(0.3, lambda: signal.pthread_kill(other.ident, signal.SIGTERM)).start()
assert stop.wait()
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


def test_a_signal_that_another_thread_is_given_ends_it_too() -> None:
    # As the system does while the main thread is being traced.
    command = [sys.executable, "-c", TOLD_ANOTHER_THREAD]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "stopped\n"
