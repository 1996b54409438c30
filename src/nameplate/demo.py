"""The demonstration: a throw-away server, the vendor's own Python SDK, a batch of devices, a file of credentials."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from aliyunsdkcore.client import AcsClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from nameplate.data_dir import ROOT_KEY_FILE, StartError
from nameplate.root_key import read_root_key

_READY: Final = "nameplate is ready on http://"
_PAGE: Final = 200
_POLL_SECONDS: Final = 0.005
_STOP_SECONDS: Final = 30


class VendorClient:
    """The vendor's SDK, as its users use it, with only the endpoint changed."""

    def __init__(self, endpoint: str, key_id: str, secret: str) -> None:
        self._client = AcsClient(key_id, secret, "cn-shanghai")
        self._endpoint = endpoint

    def call(self, action: str, **parameters: object) -> dict[str, Any]:
        """Call an operation with the SDK's own request class and return its answer."""
        request = getattr(import_module(f"aliyunsdkiot.request.v20180120.{action}Request"), f"{action}Request")()
        request.set_endpoint(self._endpoint)
        for name, value in parameters.items():
            getattr(request, f"set_{name}")(value)
        answer: dict[str, Any] = json.loads(self._client.do_action_with_exception(request))
        if not answer["Success"]:
            message = f"{action} was refused: {answer['Code']}: {answer['ErrorMessage']}"
            raise StartError(message)
        return answer


def run(devices: int, output: Path) -> None:
    """Register `devices` named devices and write their credentials to `output`, a CSV file for its owner only."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="nameplate-demo-") as data_dir, _server(Path(data_dir)) as endpoint:
        console.print(f"A server is ready on [bold]http://{endpoint}[/]; its data goes away when this is over.")
        client = VendorClient(endpoint, *read_root_key(Path(data_dir) / ROOT_KEY_FILE))
        key = client.call("CreateProduct", ProductName="demo_pumps", NodeType=0)["ProductKey"]
        console.print(f"Product [bold]{key}[/] is created. Registering {devices:,} devices with aliyun-python-sdk-iot:")
        with _progress(console) as progress:
            batch, seconds = _register(client, key, [f"pump-{number:06}" for number in range(devices)], progress)
            rows = list(_credentials(client, batch, devices, progress))
    _write(output, key, rows)
    console.print(
        f"[bold green]{devices:,} devices in {seconds:.2f} s: {devices / seconds:,.0f} devices per second[/], from the "
        f"first call to CREATE_SUCCESS.\nTheir credentials are in [bold]{output}[/]; only you can read it.\n\n"
        "Next: [bold]make serve[/] keeps a server running and prints its access key; set your SDK's endpoint to\n"
        "127.0.0.1:8420 and run your own script. README.md shows it for each SDK."
    )


def _register(client: VendorClient, key: str, names: list[str], progress: Progress) -> tuple[int, float]:
    """Check the names, create the devices, and return the ApplyId and the seconds that it took."""
    began = time.perf_counter()
    batch: int = client.call("BatchCheckDeviceNames", ProductKey=key, DeviceNames=names)["Data"]["ApplyId"]
    _follow(client, key, batch, "CHECK", progress)
    client.call("BatchRegisterDeviceWithApplyId", ProductKey=key, ApplyId=batch)
    _follow(client, key, batch, "CREATE", progress)
    return batch, time.perf_counter() - began


def _follow(client: VendorClient, key: str, batch: int, step: str, progress: Progress) -> None:
    """Poll until a step has succeeded, moving its bar."""
    bar = progress.add_task(step, total=None)
    while True:
        status = client.call("QueryBatchRegisterDeviceStatus", ProductKey=key, ApplyId=batch)["Data"]
        progress.update(bar, completed=status["Done"], total=status["Total"])
        if status["Status"] == f"{step}_SUCCESS":
            return
        if status["Status"] != step:
            message = f"The batch ended in {status['Status']}."
            raise StartError(message)
        time.sleep(_POLL_SECONDS)


def _credentials(client: VendorClient, batch: int, total: int, progress: Progress) -> Iterator[dict[str, str]]:
    """Page through a batch's devices."""
    bar = progress.add_task("credentials", total=total)
    for page in range(1, -(-total // _PAGE) + 1):
        answer = client.call("QueryPageByApplyId", ApplyId=batch, PageSize=_PAGE, CurrentPage=page)
        rows = answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        progress.advance(bar, len(rows))
        yield from rows


def _write(output: Path, key: str, rows: list[dict[str, str]]) -> None:
    columns = ("DeviceName", "DeviceSecret", "IotId")
    descriptor = os.open(output, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("ProductKey", *columns))
        writer.writerows((key, *(row[column] for column in columns)) for row in rows)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>12}"), BarColumn(40), MofNCompleteColumn(), TaskProgressColumn(), console=console
    )


@contextmanager
def _server(data_dir: Path) -> Iterator[str]:
    """Run a server on a free port; yields its endpoint, stops it at the end."""
    command = [sys.executable, "-m", "nameplate", "serve", "--port", "0", "--data-dir", str(data_dir)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NAMEPLATE_")}
    environment["NAMEPLATE_LOG_LEVEL"] = "warning"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 (our own command)
        try:
            assert process.stdout is not None
            ready = next((line for line in process.stdout if line.startswith(_READY)), None)
            if ready is None:
                message = "The server did not start; what it said is above."
                raise StartError(message)
            yield ready.removeprefix(_READY).strip()
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
