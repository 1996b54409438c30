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


def test_the_collector_leaves_alone_what_was_loaded_and_goes_on() -> None:
    ask = """if True:
        import gc
        from nameplate.loading import load
        assert load("nameplate.server") is load("nameplate.server")
        try:
            load("nameplate.nothing")
        except ModuleNotFoundError:
            print(gc.get_freeze_count() > 100_000, gc.isenabled())"""
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True True"
