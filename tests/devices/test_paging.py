"""Paging through a product's devices while others register and delete."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

from tests.support import batch
from tests.support.server import Server
from tests.support.session import Session
from tests.support.signer import Client

BATCHES, ROWS = 10, 10_000
CHANGERS = 2


def pages(client: Client, product: str, size: int = 200) -> Iterator[dict[str, Any]]:
    """Yield every page, each by the NextToken of the one before."""
    token = None
    while token != "":
        page = client.call("QueryDevice", ProductKey=product, PageSize=str(size), NextToken=token)
        yield page
        token = page["NextToken"]


def listed(page: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = page["Data"]["DeviceInfo"]
    return found


class Changes:
    """Others, who delete some of the devices, register their names again, and register new ones."""

    def __init__(self, root: Client, product: str, names: list[str]) -> None:
        self.root = root
        self.product = product
        self.names = names
        self.deleted: set[str] = set()
        self.registered = 0
        self.ended = Event()

    def run(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (not a secret)
        mine = chance.sample(self.names[seed::CHANGERS], 4_000)
        with Session.of(self.root) as client:
            for turn, name in enumerate(itertools.takewhile(lambda _: not self.ended.is_set(), mine)):
                self.deleted.add(name)
                client.call("DeleteDevice", ProductKey=self.product, DeviceName=name)
                if turn % 3 == 0:
                    client.call("RegisterDevice", ProductKey=self.product, DeviceName=name)
                if turn % 10 == 0:
                    client.call("BatchRegisterDevice", ProductKey=self.product, Count="5")
                self.registered += 1


def test_whoever_lives_through_100_000_devices_paged_is_listed_once(server: Server, root: Client, product: str) -> None:
    stem = uuid4().hex[:8]
    # A page costs some three times as much on PostgreSQL, for the same statement.
    batches = BATCHES if server.settings.get("database_url") is None else 3
    names = [f"{stem}-{number:06}" for number in range(batches * ROWS)]
    for start in range(0, len(names), ROWS):
        batch.register(root, product, names[start : start + ROWS])
    before = batch_ids(root, product)
    changes = Changes(root, product, names)
    with ThreadPoolExecutor(CHANGERS) as pool, Session.of(root) as client:
        running = [pool.submit(changes.run, seed) for seed in range(CHANGERS)]
        try:
            seen = [device for page in pages(client, product) for device in listed(page)]
        finally:
            changes.ended.set()
        for one in running:
            one.result()
    assert changes.registered > 50
    ids = [device["IotId"] for device in seen]
    assert ids == sorted(set(ids), reverse=True)
    kept = set(names) - changes.deleted
    assert kept <= {device["DeviceName"] for device in seen}
    assert before["Total"] == len(names)


def batch_ids(root: Client, product: str) -> dict[str, Any]:
    return root.call("QueryDevice", ProductKey=product, PageSize="1")
