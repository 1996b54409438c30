"""Two servers, four workers and sixteen clients that want the same names."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support import batch
from tests.support.databases import Databases
from tests.support.server import Server
from tests.support.signer import Client

NAMES = [f"pump-{number:04}" for number in range(4_000)]
CLIENTS = 16
WORKERS = 4
PAUSE = 0.1


@contextmanager
def worker(server: Server) -> Iterator[None]:
    with server.beside("worker", "--workers", "1") as process:
        assert process.stdout is not None
        assert "worker is ready" in process.stdout.readline()
        yield
        process.terminate()
        assert process.wait(30) == 0


def race(client: Client, product: str, seed: int) -> tuple[list[str], list[str]]:
    """Register every name, in an order of one's own, until each is had or refused; return both."""
    names = random.Random(seed).sample(NAMES, len(NAMES))  # noqa: S311 (an order, not a secret)
    won: list[str] = []
    lost: list[str] = []
    for start in range(0, len(names), 1_000):
        wanted = names[start : start + 1_000]
        while wanted:
            made = batch.check(client, product, wanted)
            status = batch.wait(client, product, made, 60, PAUSE)
            if status["Status"] == "CHECK_FAILED":
                # As the documentation asks: the refused ones are left out, and the rest is sent again.
                lost += status["InvalidList"]["Name"]
                wanted = status["ValidList"]["Name"]
                continue
            client.call("BatchRegisterDeviceWithApplyId", ProductKey=product, ApplyId=str(made))
            status = batch.wait(client, product, made, 60, PAUSE)
            created = [row["DeviceName"] for row in batch.devices(client, made)]
            refused = [name for name in wanted if name not in set(created)]
            assert status["InvalidList"]["Name"] == refused
            won += created
            lost += refused
            break
    return won, lost


def test_of_sixteen_clients_with_the_same_names_each_name_has_one_winner(databases: Databases, tmp_path: Path) -> None:
    url = databases.new()
    first = Server(tmp_path / "first" / "data", database_url=url, workers="0")
    (tmp_path / "first").mkdir()
    first.start()
    key = (first.data_dir / "master.key").read_text().strip()
    (tmp_path / "second").mkdir()
    second = Server(tmp_path / "second" / "data", database_url=url, workers="0", master_key=key).start()
    product: str = first.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(WORKERS):
            stack.enter_context(worker(first))
        clients = [(first, second)[number % 2].root for number in range(CLIENTS)]
        results: list[Any] = list(pool.map(race, clients, [product] * CLIENTS, range(CLIENTS)))
    winners = Counter(name for won, _ in results for name in won)
    assert winners == Counter(NAMES)
    for won, lost in results:
        assert sorted(won + lost) == NAMES
    assert first.root.call("QueryProduct", ProductKey=product)["Data"]["DeviceCount"] == len(NAMES)
    for server in (first, second):
        assert server.stop() == 0
        assert "Traceback" not in server.log
