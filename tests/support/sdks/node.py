"""The Node SDKs: a process for each, which calls as it is told (`tests/sdks/bridge.mjs`)."""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.sdks.sdk import TIMEOUT_SECONDS, Body, ModelSdk, Sdk
from tests.support.server import ROOT_ID, ROOT_SECRET, Server

SCRIPTS = Path(__file__).parents[2] / "sdks"


def need_modules() -> None:
    """Skip the test if the SDKs are not installed; in CI, fail it."""
    if (SCRIPTS / "node_modules" / ".installed").exists():
        return
    reason = "The Node SDKs are not installed: run `make tests/sdks/node_modules/.installed`."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class NodeError(Exception):
    """What the SDK has thrown at its user."""

    def __init__(self, error: Body) -> None:
        super().__init__(error["message"])
        self.name: str = error["name"]
        self.message: str = error["message"]
        self.code: str | None = error.get("code")
        self.status: int | None = error.get("statusCode")
        self.data: Body = error.get("data", {})


class NodeProcess:
    """A process that makes calls with the clients of one SDK."""

    def __init__(self, script: str) -> None:
        # The wheel puts it beside Python, which need not be on the PATH.
        command = [str(Path(sys.executable).with_name("node")), str(SCRIPTS / script)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def exchange(self, line: Body) -> Body:
        """Have a call made, and return what the process says of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        result: Body = json.loads(self._process.stdout.readline())
        return result

    def close(self) -> None:
        """End its input, and so the process."""
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0


@cache
def start(script: str) -> NodeProcess:
    """Start a script's process; it is kept until the tests end, since starting one is slow."""
    process = NodeProcess(script)
    atexit.register(process.close)
    return process


class NodeSdk(Sdk):
    """A client in a process that all clients of its kind share."""

    script: str
    method: str | None = None

    def __init__(self, server: Server, key_id: str = ROOT_ID, secret: str = ROOT_SECRET) -> None:
        super().__init__(server)
        self._config = {
            "endpoint": self.endpoint,
            "accessKeyId": key_id,
            "accessKeySecret": secret,
            "method": self.method,
            "timeout": TIMEOUT_SECONDS * 1000,
        }

    def answer(self, action: str, **parameters: object) -> Body:
        body: Body = self.exchange(action, parameters)["body"]
        return body

    def exchange(self, action: str, parameters: Body) -> Body:
        """Have a call made, and return what the process says of it. Raises what the SDK has thrown."""
        call = {"action": action, "parameters": parameters, "config": self._config}
        result = start(self.script).exchange(call)
        if "error" in result:
            raise NodeError(result["error"])
        return result

    def close(self) -> None:
        """Its process is kept."""


class PopCore(NodeSdk):
    """@alicloud/pop-core, its default: GET, v1 signatures, everything in the URL; a refusal is thrown."""

    script = "pop_core.mjs"

    def answer(self, action: str, **parameters: object) -> Body:
        try:
            return super().answer(action, **parameters)
        except NodeError as error:
            if error.data.get("Success") is not False:
                raise
            return error.data


class PopCorePost(PopCore):
    """The same by POST: everything in the body."""

    method = "POST"


class NodeTea(NodeSdk, ModelSdk):
    """@alicloud/iot20180120: POST, ACS3 signatures, everything in the URL."""

    name = "node"
    script = "iot20180120.mjs"
    lacks = frozenset(("InvalidDetailList", "RepeatedDeviceNameList"))

    def exchange(self, action: str, parameters: Body) -> Body:
        result = super().exchange(action, parameters)
        self.raw = result["raw"]
        return result
