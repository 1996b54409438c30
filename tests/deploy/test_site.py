"""The compose file's services, started by hand: they work together as the file says."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import orjson
import pytest

from tests.deploy.family import calls, children
from tests.deploy.site import Program, Site, get, total
from tests.support import batch
from tests.support.databases import Databases
from tests.support.disk import wait_until
from tests.support.signer import Client

DEVICES = 10_000
VALUES = {
    "NAMEPLATE_DB_PASSWORD": "the-password-of-the-database",
    "NAMEPLATE_MASTER_KEY": "5a" * 32,
    "NAMEPLATE_ROOT_ACCESS_KEY_ID": "the-root-key",
    "NAMEPLATE_ROOT_ACCESS_KEY_SECRET": "the-secret-of-the-root-key",
}


@dataclass
class Running:
    """Everything, started."""

    server: Program
    workers: list[Program]
    port: int

    @property
    def root(self) -> Client:
        return Client(
            self.port, VALUES["NAMEPLATE_ROOT_ACCESS_KEY_ID"], VALUES["NAMEPLATE_ROOT_ACCESS_KEY_SECRET"], timeout=60
        )

    @property
    def programs(self) -> list[Program]:
        return [self.server, *self.workers]

    def product(self) -> str:
        return str(self.root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")["ProductKey"])

    def created(self) -> float:
        """How many devices the workers have created."""
        return sum(total(get(one.port(), "/metrics"), "nameplate_devices_created_total") for one in self.workers)


@pytest.fixture(scope="module")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Site(tmp_path_factory.mktemp("site"), databases.empty(), VALUES) as site:
        early = site.start("server", 0)
        assert early.wait() == 1
        assert early.logged.endswith("has no schema yet. Run: nameplate db upgrade\n")
        assert site.start("upgrade").wait() == 0
        server = site.start("server")
        workers = [site.start("worker", number) for number in range(1, site.replicas("worker") + 1)]
        started = Running(server, workers, server.port())
        wait_until(lambda: is_ready(started))
        yield started
        assert [one.stop() for one in started.programs] == [0] * len(started.programs)
        assert not [one.logged for one in started.programs if "Traceback" in one.logged]


def is_ready(started: Running) -> bool:
    try:
        return get(started.port, "/readyz") != ""
    except OSError:
        return False


def test_the_workers_do_the_work(running: Running) -> None:
    before, product = running.created(), running.product()
    made = batch.register(running.root, product, [f"pump-{number:05}" for number in range(DEVICES)])
    assert len(batch.devices(running.root, made)) == DEVICES
    assert running.created() - before == DEVICES
    told = get(running.port, "/metrics")
    assert total(told, "nameplate_devices_created_total") == 0
    assert total(told, "nameplate_workers") == len(running.workers) >= 2
    assert total(told, "nameplate_batches", state="CREATE_SUCCESS") == 1


def test_the_processes_of_a_server_tell_one_sum(running: Running) -> None:
    product, pids = running.product(), children(running.server.process.pid)
    answered = dict.fromkeys(pids, 0.0)

    def every_process_answers() -> bool:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: running.root.call("QueryProduct", ProductKey=product), range(40)))
        answered.update({pid: calls(running.server.temporary, pid, "QueryProduct") for pid in pids})
        return all(answered.values())

    assert len(pids) == 2
    wait_until(every_process_answers)
    told = get(running.port, "/metrics")
    assert total(told, "nameplate_calls_total", action="QueryProduct", outcome="OK") == sum(answered.values())
    assert total(told, "nameplate_call_seconds_count", action="QueryProduct") == sum(answered.values())


def test_the_logs_are_json_and_without_secrets(running: Running) -> None:
    product = running.product()
    made = batch.register(running.root, product, ["pump-1", "pump-2"])
    secrets = [row["DeviceSecret"] for row in batch.devices(running.root, made)]
    lines = [orjson.loads(line) for line in running.server.logged.splitlines()]
    assert lines
    assert all(line["request_id"] for line in lines)
    secrets += [value for name, value in VALUES.items() if name != "NAMEPLATE_ROOT_ACCESS_KEY_ID"]
    written = "".join(one.said + one.logged for one in running.programs)
    assert not [secret for secret in secrets if secret in written]
