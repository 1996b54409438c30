"""Metrics that several processes share."""

import os
import subprocess
import sys
from pathlib import Path

RENDER = """
import sys, threading
from pathlib import Path
from nameplate import metrics
empty = Path(sys.argv[1])
metrics.CLONES.inc()
empty.touch()
threading.Timer(0.03, empty.unlink).start()
print("nameplate_clones_total 1.0" in metrics.render().decode())
"""


def test_a_process_that_starts_does_not_keep_the_others_from_being_counted(tmp_path: Path) -> None:
    """Its file is empty for a moment."""
    told = subprocess.run(
        [sys.executable, "-c", RENDER, str(tmp_path / "counter_1.db")],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout == "True\n"
