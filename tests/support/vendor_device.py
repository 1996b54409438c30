"""Starts devices on the vendor's SDK."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.devices import FieldDevice
from tests.support.server import Server

_PYTHON: Final = Path(sys.prefix) / "linkkit/bin/python"
_DEVICE: Final = Path(__file__).parent / "vendor_device_program.py"
_PATIENCE: Final = 30
# It says nothing when it is refused and tries again.
_REFUSED_SECONDS: Final = 2.5

needs_linkkit = pytest.mark.skipif(not _PYTHON.exists(), reason="the vendor's device SDK is not there: make test")


def run(**about: Any) -> Any:
    """Let a device do one thing, and return what came of it."""
    command = [str(_PYTHON), str(_DEVICE), json.dumps({"seconds": _PATIENCE, **about})]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3 * _PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def works(device: FieldDevice, port: int, **more: Any) -> bool:
    """Whether a device connects, subscribes, publishes and receives."""
    names = {"product_key": device.product_key, "name": device.name, "secret": device.secret}
    found = run(do="connect", port=port, **names, **more)
    topic = f"/{device.product_key}/{device.name}/user/get"
    return bool(found == {"connected": True, "granted": [1], "message": [topic, "hello"]})


def is_refused(device: FieldDevice, port: int) -> bool:
    """Whether a device is not let in."""
    names = {"product_key": device.product_key, "name": device.name, "secret": device.secret}
    return bool(run(do="connect", port=port, seconds=_REFUSED_SECONDS, **names) == {"connected": False})


def require_it_is_refused_until_enabled(device: FieldDevice, server: Server, port: int) -> None:
    """Take a device through a wrong secret, disabled, enabled and deleted, and look that the server says why."""
    names = {"ProductKey": device.product_key, "DeviceName": device.name}
    assert is_refused(FieldDevice(device.product_key, device.name, "0" * 32), port)
    server.root.call("DisableThing", **names)
    assert is_refused(device, port)
    server.root.call("EnableThing", **names)
    assert works(device, port)
    server.root.call("DeleteDevice", **names)
    assert is_refused(device, port)
    told = [line for line in server.log.splitlines() if device.name in line]
    for reason in ("wrong-secret", "disabled", "allowed"):
        assert any(f"={reason} " in line for line in told), reason
    assert "outcome=unknown" in server.log
