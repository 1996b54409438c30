"""Nameplate behind pgbouncer in transaction mode: a session is another connection with every transaction."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import batch
from tests.support.databases import Databases
from tests.support.pooler import Pooler, needs_pgbouncer
from tests.support.server import Server

CLIENTS = 8


@needs_pgbouncer
def test_everything_works_through_a_pooler_in_transaction_mode(databases: Databases, tmp_path: Path) -> None:
    """More clients than connections, batches with names that are taken, and so every kind of statement."""
    with Pooler(tmp_path, databases.new()) as pooler:
        server = Server(tmp_path / "data", database_url=pooler.url).start()
        product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]

        def register(number: int) -> int:
            made = batch.register(server.root, product, [f"pump-{number}-{row:04}" for row in range(1_000)])
            return len(batch.devices(server.root, made))

        with ThreadPoolExecutor(CLIENTS) as pool:
            assert list(pool.map(register, range(CLIENTS * 2))) == [1_000] * CLIENTS * 2
        taken = batch.check(server.root, product, [f"pump-0-{row:04}" for row in range(0, 1_000, 2)] + ["pump-new"])
        assert batch.wait(server.root, product, taken)["Status"] == "CHECK_FAILED"
        assert server.stop() == 0
        assert "Traceback" not in server.log
