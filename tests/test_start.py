"""What a server and a local command load when they start: nothing that only files, webhooks or a new version need."""

import subprocess
import sys

import pytest

HEAVY = ("duckdb", "pyarrow", "httpx", "rich", "alembic")


@pytest.mark.parametrize("module", ["nameplate.server", "nameplate.cli.serving", "nameplate.worker"])
def test_what_is_heavy_is_loaded_when_it_is_needed(module: str) -> None:
    ask = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
