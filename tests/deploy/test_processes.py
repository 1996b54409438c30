"""`serve --processes`: one that is killed is replaced, and meanwhile the others answer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.family import calls, children, is_there
from tests.support import batch
from tests.support.databases import Databases
from tests.support.disk import wait_until
from tests.support.server import Server

CALLERS = 8


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as made:
        yield made


@pytest.fixture
def server(data_dir: Path, tmp_path: Path, url: str) -> Iterator[Server]:
    running = Server(data_dir, processes="2", database_url=url).start(TMPDIR=str(tmp_path))
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


def pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


def test_a_killed_process_is_replaced_and_meanwhile_the_other_answers(server: Server, tmp_path: Path) -> None:
    product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    killed, stays = before = sorted(children(pid(server)))
    os.kill(killed, signal.SIGKILL)

    def is_replaced() -> bool:
        # One call after the other may all be taken by the process that is quicker.
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda _: server.root.call("QueryProduct", ProductKey=product), range(CALLERS)))
        now = children(pid(server)) - {stays}
        return bool(now - {killed}) and all(calls(tmp_path, one, "QueryProduct") for one in now)

    wait_until(is_replaced)
    assert len(children(pid(server))) == len(before)
    assert stays in children(pid(server))
    assert f"Server process {killed} ended with -9; starting another." in server.log
    batch.register(server.root, product, ["pump-1"])


def test_sigterm_ends_every_process(server: Server) -> None:
    all_of_them = [pid(server), *children(pid(server))]
    assert len(all_of_them) == 3
    assert server.stop() == 0
    assert not [one for one in all_of_them if is_there(one)]


def test_what_is_asked_while_a_server_stops_is_answered_or_refused_whole(server: Server) -> None:
    """A batch that was acknowledged is worked on by whoever comes next."""
    product = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    sent = [batch.check(server.root, product, [f"n{part}-{n:04}" for n in range(2_000)]) for part in range(3)]
    assert server.stop() == 0
    server.start()
    assert {batch.wait(server.root, product, one)["Status"] for one in sent} == {"CHECK_SUCCESS"}


def test_a_start_that_fails_ends_with_1_and_says_what_to_do(data_dir: Path, databases: Databases) -> None:
    command = [sys.executable, "-m", "nameplate", "serve", "--port", "0", "--processes", "2", "--data-dir"]
    environment = {**os.environ, "NAMEPLATE_DATABASE_URL": databases.empty()}
    ended = subprocess.run(
        [*command, str(data_dir)], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith("has no schema yet. Run: nameplate db upgrade\n")


def test_when_the_parent_is_killed_its_processes_end_too(data_dir: Path, url: str) -> None:
    """Otherwise they would go on serving on its port, and nobody would stop them."""
    orphaning = Server(data_dir, processes="2", database_url=url).start()
    theirs = children(pid(orphaning))
    orphaning.kill()
    wait_until(lambda: not [one for one in theirs if is_there(one)])
