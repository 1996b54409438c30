"""Programs that refuse to run as root, when the tests do."""

import os
import pwd
import time
from pathlib import Path
from typing import Any

import psycopg


def identity() -> dict[str, Any]:
    """Return what to start such a program with: another user, if this one is root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def open_to_all(directory: Path) -> None:
    """Let every user through to a directory."""
    for place in (directory, *directory.parents):
        if place.stat().st_uid == os.geteuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)


def accepts(url: str) -> bool:
    """Whether a database accepts connections."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_for(url: str, seconds: float) -> bool:
    """Wait until a database accepts connections; False if it does not in time."""
    end = time.monotonic() + seconds
    while not accepts(url):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
