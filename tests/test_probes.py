"""What monitoring is told: /healthz, /readyz, /metrics."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.support import batch
from tests.support.disk import wait_until
from tests.support.server import Server


def get(server: Server, path: str) -> tuple[int, bytes]:
    return fetch(f"http://127.0.0.1:{server.port}{path}")


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310 (a server of the tests)
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def samples(text: bytes) -> dict[str, float]:
    """The samples of a metrics page, by name and labels."""
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture
def site(engine: str, data_dir: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that leaves the work to others."""
    database = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    running = Server(data_dir, workers="0", lease="2", **database).start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def test_a_server_is_ready_when_a_worker_works(site: Server) -> None:
    assert get(site, "/healthz") == (200, b"ok\n")
    status, body = get(site, "/readyz")
    checks = orjson.loads(body)
    assert (status, checks["database"], checks["migrations"]) == (503, "ok", "ok")
    assert checks["worker"].endswith("start nameplate worker")
    with site.beside("worker", "--metrics-port", "0") as worker:
        assert worker.stdout is not None
        said = worker.stdout.readline()
        wait_until(lambda: get(site, "/readyz")[0] == 200)
        product = site.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
        batch.register(site.root, product, [f"pump-{number}" for number in range(100)])
        found = re.search(r"http://\S+/metrics", said)
        assert found is not None
        told = samples(fetch(found[0])[1])
        assert told["nameplate_devices_created_total"] == 100
        assert told['nameplate_part_seconds_count{step="create"}'] == 1
        assert samples(get(site, "/metrics")[1])["nameplate_workers"] == 1
        worker.terminate()
        assert worker.wait(30) == 0
    wait_until(lambda: samples(get(site, "/metrics")[1])["nameplate_workers"] == 0)
    assert get(site, "/readyz")[0] == 503


def test_metrics_count_calls_batches_and_what_waits(site: Server) -> None:
    product = site.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    batch.check(site.root, product, ["no"])
    site.root.v1("RegisterDevice", ProductKey=product, DeviceName="x")
    site.root.call("RegisterDevice", ProductKey=product, DeviceName="pump-2")
    site.root.v1("MadeUpByTheCaller", ProductKey=product)
    told = samples(get(site, "/metrics")[1])
    calls = 'nameplate_calls_total{{action="{}",outcome="{}"}}'
    assert told[calls.format("CreateProduct", "OK")] == 1
    assert told[calls.format("RegisterDevice", "OK")] == 1
    assert told[calls.format("RegisterDevice", "iot.device.InvalidFormattedDeviceName")] == 1
    assert told[calls.format("unknown", "InvalidAction.NotFound")] == 1
    assert told['nameplate_call_seconds_count{action="RegisterDevice"}'] == 2
    assert told['nameplate_batches{state="CHECK"}'] == 1
    assert told["nameplate_parts_waiting"] == 1
    assert told["nameplate_parts_waiting_seconds"] >= 0
    assert told["nameplate_devices_created_total"] == 1
    assert told["nameplate_database_up"] == 1


def test_a_database_that_was_upgraded_under_a_server_is_told(site: Server) -> None:
    """Never seen as ready by a balancer again until it is replaced."""
    url = site.settings.get("database_url", f"sqlite:///{site.data_dir / 'nameplate.db'}")
    script = (
        "import sys, sqlalchemy as sa\n"
        "with sa.create_engine(sys.argv[1].replace('postgresql:', 'postgresql+psycopg:')).begin() as connection:\n"
        "    connection.execute(sa.text(\"UPDATE alembic_version SET version_num = '9999'\"))\n"
    )
    subprocess.run([sys.executable, "-c", script, url], check=True)
    status, body = get(site, "/readyz")
    assert (status, orjson.loads(body)["migrations"][:17]) == (503, "another version's")
