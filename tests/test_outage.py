"""A server while its database is away, restarts, or ends its sessions."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support import batch
from tests.support.databases import Databases
from tests.support.devices import Hooks, register
from tests.support.disk import wait_until
from tests.support.postgres import Postgres, running_postgres
from tests.support.server import Server

END_SESSIONS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
BROKERS = 16
OUTAGE = "The request has failed because the database cannot be reached."


class Site:
    """A server on a PostgreSQL of its own, with a product."""

    def __init__(self, postgres: Postgres, directory: Path) -> None:
        self.postgres = postgres
        self.url = Databases(self.postgres.url()).new()
        self.server = Server(directory / "data", database_url=self.url).start()
        self.product = self.server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]

    def register(self, name: str) -> Any:
        """Try to register a device, and return the answer."""
        return self.server.root.v1("RegisterDevice", ProductKey=self.product, DeviceName=name)

    def readiness(self) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/readyz") as answer:
                return answer.status, orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, orjson.loads(error.read())

    def count(self) -> int:
        return int(self.server.root.call("QueryProduct", ProductKey=self.product)["Data"]["DeviceCount"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_postgres() as postgres:
        made = Site(postgres, tmp_path)
        yield made
        assert made.server.stop() == 0
        assert "Traceback" not in made.server.log


def test_brokers_that_ask_together_during_an_outage_are_each_told_so(site: Site) -> None:
    device = register(site.server.root, site.product, "pump-1")

    def ask(number: int) -> tuple[int, int]:
        asked = {"clientid": device.client_id(), "username": device.username, "password": device.password()}
        body = asked if number % 2 else {"username": 7}
        with Hooks(site.server.port) as hooks:
            return number, hooks.post("/brokers/emqx/authenticate", body).status

    def ask_together() -> dict[int, int]:
        with ThreadPoolExecutor(BROKERS) as pool:
            return dict(pool.map(ask, range(5 * BROKERS)))

    site.postgres.crash()
    assert all(status == (503 if number % 2 else 400) for number, status in ask_together().items())
    site.postgres.start()
    assert all(status == (200 if number % 2 else 400) for number, status in ask_together().items())


def test_a_call_during_an_outage_gets_503_and_nothing_is_half_done(site: Site) -> None:
    assert site.register("before-1").status == 200
    site.postgres.crash()
    answer = site.register("during-1")
    assert (answer.status, answer.json["Code"]) == (503, "ServiceUnavailable")
    assert answer.json["Message"].startswith(OUTAGE)
    assert site.readiness() == (503, {"database": answer.json["Message"]})
    with urllib.request.urlopen(f"http://127.0.0.1:{site.server.port}/metrics") as metrics:
        assert b"\nnameplate_database_up 0.0\n" in metrics.read()
    site.postgres.start()
    assert site.register("after-1").status == 200
    assert site.count() == 2
    assert site.register("during-1").status == 200
    assert site.readiness()[0] == 200


def test_a_server_whose_sessions_were_ended_goes_on_at_once(site: Site) -> None:
    for number in range(20):
        assert site.register(f"name-{number}").status == 200
        site.postgres.execute(END_SESSIONS)
    assert site.count() == 20


def test_batches_go_on_after_the_database_crashed_under_them(site: Site) -> None:
    """Again and again while batches are worked on; every acknowledged one comes to its end, none twice."""
    names = {number: [f"pump-{number}-{row:05}" for row in range(5_000)] for number in range(6)}
    batches = {number: batch.check(site.server.root, site.product, rows) for number, rows in names.items()}
    crashed = threading.Event()

    def crash() -> None:
        for _ in range(3):
            site.postgres.crash()
            site.postgres.start()
        crashed.set()

    crashing = threading.Thread(target=crash)
    crashing.start()
    for made in batches.values():
        wait_until(partial(started, site, made))
    wait_until(crashed.is_set)
    crashing.join()
    for number, made in batches.items():
        wait_until(partial(is_created, site, made))
        assert {row["DeviceName"] for row in batch.devices(site.server.root, made)} == set(names[number])
    assert site.count() == 6 * 5_000


def is_created(site: Site, made: int) -> bool:
    answer = site.server.root.v1("QueryBatchRegisterDeviceStatus", ProductKey=site.product, ApplyId=str(made))
    return answer.status == 200 and answer.json["Data"]["Status"] == "CREATE_SUCCESS"


def started(site: Site, made: int) -> bool:
    answer = site.server.root.v1("BatchRegisterDeviceWithApplyId", ProductKey=site.product, ApplyId=str(made))
    return answer.status == 200 and bool(answer.json["Success"])
