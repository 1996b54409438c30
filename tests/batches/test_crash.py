"""The server is killed between any two SQL statements, again and again on one data directory.

What a client was told stays true, and what it asks for again is done once. Its clients keep a ledger of everything
they asked for and were told; the checker compares that with the database's file and with the API's answers.
"""

import itertools
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple, Self
from uuid import uuid4

import pytest

from tests.support.killer import PROGRAM, Order, Trap, WarmServer
from tests.support.server import Server
from tests.support.signer import numbered, sign_v1

LEASE: Final = "0.5"
PATIENCE: Final = 30
FINAL: Final = frozenset({"CHECK_FAILED", "CREATE_SUCCESS", "CREATE_FAILED"})
DEVICES: Final = """
SELECT device.id, product.key, device.name, nickname FROM device NOT INDEXED JOIN product ON product.id = product_id
ORDER BY device.id
"""
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# One step goes through the statements of authentication; going through them again in each would show nothing new.
AUTHENTICATION: Final = r"^nonces|FROM access_key|FROM batch JOIN"
NOTHING: Final = "$^"
WRITES: Final = frozenset(
    {
        "BEGIN IMMEDIATE",
        "COMMIT",
        "after COMMIT",
        "INSERT INTO batch",
        "INSERT INTO client_token",
        "INSERT INTO device",
        "DELETE FROM part_names WHERE",
        "INSERT INTO part",
        "INSERT INTO part_names",
        "INSERT INTO product",
        "INSERT INTO refusal",
        "UPDATE batch SET done",
        "UPDATE batch SET state",
        "UPDATE counter SET value",
        "UPDATE device SET nickname",
        "UPDATE part SET is_done",
        "UPDATE part SET owner",
        "UPDATE part SET step",
    }
)
FIRST_START: Final = [
    Order(1, "CREATE TABLE device"),
    Order(1, "INSERT INTO alembic_version"),
    Order(3, "INSERT INTO alembic_version"),
    Order(1, "CREATE TABLE nonce"),
    Order(1, "INSERT INTO installation"),
    Order(4, "INSERT INTO installation"),
    Order(2, "INSERT INTO account"),
    Order(1, "INSERT INTO access_key"),
    Order(3, "INSERT INTO access_key"),
]


@dataclass(frozen=True)
class Credentials:
    secret: str
    iot_id: str

    @property
    def device(self) -> int:
        """The device's number in the database, which the documentation says the IotId starts with."""
        number = 0
        for character in self.iot_id[:11]:
            number = number * 62 + ALPHABET.index(character)
        return number


@dataclass
class Request:
    """One thing that a client wants, and what it was told about it.

    A batch of names, or of minted names, or one device.
    """

    product: str
    names: list[str] = field(default_factory=list)
    nicknames: dict[str, str] = field(default_factory=dict)
    minted: int = 0
    is_batch: bool = True
    ends: frozenset[str] = frozenset({"CREATE_SUCCESS"})
    may_be_refused: frozenset[str] = frozenset()
    token: str = field(default_factory=lambda: uuid4().hex)

    answer: int | None = None
    ended: str = ""
    shown: dict[str, Credentials] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.minted or len(self.names)


class BatchRow(NamedTuple):
    id: int
    state: str
    total: int
    done: int
    refused: int


class DeviceRow(NamedTuple):
    id: int
    product: str
    name: str
    nickname: str | None

    def answer(self, done: Mapping[int, Request]) -> int:
        """What the request that made it was answered: a batch's number is the high part of its devices'."""
        batch = self.id >> 24
        return batch if batch in done else self.id


@dataclass
class Ledger:
    """Everything that was asked for and told."""

    requests: list[Request] = field(default_factory=list)
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """What was done, as the database says, although the answer never arrived; by ClientToken."""

    def ask(self, request: Request) -> Request:
        self.requests.append(request)
        return request

    def hear(self, request: Request, answer: int) -> None:
        assert self.lost.get(request.token, answer) == answer
        assert request.answer in (None, answer)
        request.answer = answer


class Site:
    """A data directory, the server on it, and its clients' ledger."""

    def __init__(self, directory: Path, *, is_warm: bool = False) -> None:
        directory.mkdir()
        self.directory = directory
        self.trap = Trap(directory / "trap")
        data_dir = directory / "data"
        self.server = WarmServer(data_dir, lease=LEASE) if is_warm else Server(data_dir, program=PROGRAM, lease=LEASE)
        self.ledger = Ledger()
        self.kills = 0
        self.answered: dict[str, str] = {}
        """The last call that was answered, as it was signed."""
        self.lost_connection: Callable[[], None] = self.revive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self.server, WarmServer):
            self.server.close()
        elif self.server.process is not None and self.server.process.poll() is None:
            self.server.kill()

    def start(self) -> Self:
        self.server.start(**self.trap.environment)
        return self

    def revive(self, order: Order | None = None) -> None:
        """Make sure that it was killed, look at what it left, and start it again; with its next end ordered."""
        assert self.server.stop() == -signal.SIGKILL
        self.kills += 1
        self.trap.disarm()
        with left_behind(self) as disk:
            disk.check(self.ledger)
        if order is not None:
            self.trap.arm(order)
        self.start()
        if order is None and self.answered:
            replayed = self.server.root.send("POST", self.answered)
            assert replayed.code == "SignatureNonceUsed", replayed

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Send a call, again and again if its answer is lost."""
        while True:
            client = self.server.root
            signed = client.parameters(action, parameters)
            signed["Signature"] = sign_v1("POST", signed, client.secret)
            try:
                answer: dict[str, Any] = client.send("POST", signed).json
            except (OSError, HTTPException):
                self.lost_connection()
            else:
                self.answered = signed
                return answer

    def told(self, action: str, **parameters: str) -> dict[str, Any]:
        """Send a call that has to succeed."""
        answer = self.call(action, **parameters)
        assert answer.get("Success"), answer
        return answer

    def create_product(self) -> str:
        name = f"p_{uuid4().hex[:20]}"
        self.ledger.products[name] = {}
        answer = self.call("CreateProduct", ProductName=name, NodeType="0")
        if not answer["Success"]:
            assert answer["Code"] == "iot.prod.AlreadyExistedProductName", answer
            return ""
        self.ledger.products[name] = answer["Data"]
        return str(answer["ProductKey"])

    def submit(self, request: Request) -> None:
        """Ask for it: the same parameters and the same ClientToken however often."""
        if not request.is_batch:
            self._register_device(request)
            return
        action, parameters = "BatchRegisterDevice", {"Count": str(request.minted)}
        if request.names:
            action, parameters = "BatchCheckDeviceNames", names_parameters(request)
        answer = self.told(action, ProductKey=request.product, ClientToken=request.token, **parameters)
        self.ledger.hear(request, int(answer["Data"]["ApplyId"]))

    def _register_device(self, request: Request) -> None:
        (name,) = request.names
        answer = self.told("RegisterDevice", ProductKey=request.product, DeviceName=name, ClientToken=request.token)
        shown = read_credentials(answer["Data"])
        assert answer["Data"]["DeviceName"] == name
        self.ledger.hear(request, shown.device)
        assert request.shown in ({}, {name: shown})
        request.ended, request.shown = "CREATE_SUCCESS", {name: shown}

    def start_creation(self, request: Request) -> None:
        parameters = {"ProductKey": request.product, "ApplyId": str(request.answer)}
        assert self.told("BatchRegisterDeviceWithApplyId", **parameters)["Data"]["ApplyId"] == request.answer

    def status(self, request: Request) -> dict[str, Any]:
        parameters = {"ProductKey": request.product, "ApplyId": str(request.answer)}
        found: dict[str, Any] = self.told("QueryBatchRegisterDeviceStatus", **parameters)["Data"]
        return found

    def wait(self, request: Request) -> str:
        """Poll until a step has ended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status = str(self.status(request)["Status"])
            if status not in {"CHECK", "CREATE"}:
                return status
            time.sleep(0.01)
        raise AssertionError(request)

    def conclude(self, request: Request) -> None:
        """Wait for the end, and keep what is shown."""
        status = self.wait(request)
        assert status in request.ends, (status, request)
        request.shown, request.ended = self.devices(request), status

    def devices(self, request: Request) -> dict[str, Credentials]:
        """What the API shows of a request's devices."""
        if not request.is_batch:
            data = self.told("QueryDeviceDetail", ProductKey=request.product, DeviceName=request.names[0])["Data"]
            return {data["DeviceName"]: read_credentials(data)}
        answer = self.told("QueryPageByApplyId", ApplyId=str(request.answer), PageSize="200")
        rows = answer["ApplyDeviceList"]["ApplyDeviceInfo"]
        assert len(rows) == answer["Total"]
        return {row["DeviceName"]: read_credentials(row) for row in rows}

    def fulfil(self, request: Request) -> None:
        """Take one request all the way."""
        self.submit(request)
        if not request.is_batch:
            return
        if request.names and self.wait(request) == "CHECK_SUCCESS":
            self.start_creation(request)
        self.conclude(request)

    def review(self, requests: Iterable[Request]) -> None:
        """Ask over the API whether all that was told is still so."""
        for request in requests:
            assert self.devices(request) == request.shown
            if request.is_batch:
                assert self.status(request)["Status"] == request.ended

    def finish(self) -> None:
        """Ask for everything once more, review everything, and look at the file."""
        for request in list(self.ledger.requests):
            self.submit(request)
        self.review(self.ledger.requests)
        for name, data in self.ledger.products.items():
            if data:
                told = self.told("QueryProduct", ProductKey=data["ProductKey"])["Data"]
                assert (told["ProductName"], told["ProductSecret"]) == (name, data["ProductSecret"])
        with closing(sqlite3.connect(f"file:{self.server.data_dir / 'nameplate.db'}?mode=ro", uri=True)) as connection:
            disk = Disk(connection)
        disk.check(self.ledger)
        disk.check_nothing_is_unfinished(self.ledger)
        assert self.server.stop() == 0
        assert "Traceback" not in self.server.log


class Disk:
    """What a database's file holds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        def rows(sql: str) -> list[Any]:
            return connection.execute(sql).fetchall()

        self.damage = [text for (text,) in rows("PRAGMA integrity_check") if text != "ok"]
        self.damage += rows("PRAGMA foreign_key_check")
        self.answers: dict[str, int] = dict(rows("SELECT token, answer FROM client_token"))
        self.batches = {row[0]: BatchRow(*row) for row in rows("SELECT id, state, total, done, refused FROM batch")}
        self.parts = dict(rows("SELECT batch_id, sum(rows) FROM part GROUP BY batch_id"))
        self.waiting = {batch for (batch,) in rows("SELECT batch_id FROM part WHERE is_done = 0")}
        self.devices = [DeviceRow(*row) for row in rows(DEVICES)]
        self.refused = set(rows("SELECT batch_id, name FROM refusal"))
        self.products = [name for (name,) in rows("SELECT name FROM product")]

    def check(self, ledger: Ledger) -> None:
        """Compare it with what was asked for and told."""
        assert self.damage == []
        self._check_products(ledger)
        asked = {request.token: request for request in list(ledger.requests)}
        assert self.answers.keys() <= asked.keys()
        done = {answer: asked[token] for token, answer in self.answers.items()}
        self._check_answers(ledger, asked.values())
        self._check_batches(done)
        self._check_devices(done)

    def check_nothing_is_unfinished(self, ledger: Ledger) -> None:
        """Whatever was asked for is at its end."""
        assert all(request.ended and request.answer for request in ledger.requests)
        assert self.answers.keys() == {request.token for request in ledger.requests}
        assert self.waiting == set()
        assert {row.state for row in self.batches.values()} <= FINAL
        secrets = [shown.secret for request in ledger.requests for shown in request.shown.values()]
        assert len(set(secrets)) == len(secrets) == len(self.devices)

    def _check_products(self, ledger: Ledger) -> None:
        told = {name for name, data in ledger.products.items() if data}
        assert told <= set(self.products) <= ledger.products.keys()
        assert len(set(self.products)) == len(self.products)

    def _check_answers(self, ledger: Ledger, asked: Iterable[Request]) -> None:
        for request in asked:
            answer = self.answers.get(request.token)
            if request.answer is not None:
                assert answer == request.answer
            elif answer is not None:
                ledger.lost[request.token] = answer

    def _check_batches(self, done: Mapping[int, Request]) -> None:
        assert len(done) == len(self.answers)
        assert self.batches.keys() == {answer for answer, request in done.items() if request.is_batch}
        for row in self.batches.values():
            assert row.total == self.parts[row.id] == done[row.id].rows
            assert (row.id in self.waiting) == (row.state in {"CHECK", "CREATE"})
            assert row.refused == sum(batch == row.id for batch, _ in self.refused)
            assert not done[row.id].ended or row.state == done[row.id].ended

    def _check_devices(self, done: Mapping[int, Request]) -> None:
        names = Counter((device.product, device.name) for device in self.devices)
        assert [name for name, times in names.items() if times > 1] == []
        found: dict[int, list[DeviceRow]] = {}
        for device in self.devices:
            found.setdefault(device.answer(done), []).append(device)
        for answer, request in done.items():
            self._check_request(request, answer, found.pop(answer, []))
        assert found == {}

    def _check_request(self, request: Request, answer: int, devices: list[DeviceRow]) -> None:
        assert {device.product for device in devices} <= {request.product}
        assert all(device.nickname == request.nicknames.get(device.name) for device in devices)
        refused = {name for batch, name in self.refused if batch == answer and request.is_batch}
        assert refused <= request.may_be_refused
        assert {(request.product, name) for name in refused} <= {(row.product, row.name) for row in self.devices}
        is_created = not request.is_batch or self.batches[answer].state in {"CREATE_SUCCESS", "CREATE_FAILED"}
        names = [device.name for device in devices]
        if not is_created:
            assert names == []
        elif request.names:
            assert names == [name for name in request.names if name not in refused]
        else:
            assert len(names) == request.minted
        for device in devices if request.shown else []:
            assert request.shown[device.name].device == device.id


@contextmanager
def left_behind(site: Site) -> Iterator[Disk]:
    """The database as a killed server left it; a copy, so that the next server finds it untouched."""
    copy = site.directory / "copy"
    copy.mkdir()
    for file in site.server.data_dir.glob("nameplate.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "nameplate.db")) as connection:
        yield Disk(connection)
    shutil.rmtree(copy)


def read_credentials(data: Mapping[str, str]) -> Credentials:
    return Credentials(data["DeviceSecret"], data["IotId"])


def names_parameters(request: Request) -> dict[str, str]:
    """As DeviceName.N, or with nicknames as DeviceNameList.N.…"""
    if not request.nicknames:
        return numbered("DeviceName", request.names)
    parameters = {}
    for number, name in enumerate(request.names, 1):
        parameters[f"DeviceNameList.{number}.DeviceName"] = name
        parameters[f"DeviceNameList.{number}.DeviceNickname"] = request.nicknames.get(name, "")
    return parameters


def new_names(count: int) -> list[str]:
    start = uuid4().hex[:12]
    return [f"{start}-{number}" for number in range(count)]


class Sweep:
    """One step done over and over on a site: killed at its first statement, at its second, and so on to its last."""

    def __init__(self, site: Site, skip: str) -> None:
        self.site = site
        self.product = site.create_product()
        self._skip = skip
        self._position = 0

    def arm(self, start: str = "") -> None:
        self.site.trap.arm(Order(self._position, start, self._skip))

    def run(self, step: Callable[[Self], None]) -> None:
        for self._position in itertools.count(1):
            kills = self.site.kills
            step(self)
            self.site.trap.disarm()
            assert len(self.site.trap.sprung) == self.site.kills <= kills + 1
            self.site.review(self.site.ledger.requests[-3:])
            if self.site.kills == kills:
                return

    def ask(self, names: list[str], **more: Any) -> Request:
        return self.site.ledger.ask(Request(self.product, names, **more))

    def take(self, names: list[str]) -> None:
        """Register devices of these names."""
        for name in names:
            self.site.fulfil(self.ask([name], is_batch=False))


def product_is_created(sweep: Sweep) -> None:
    sweep.arm()
    sweep.site.create_product()


def device_is_registered(sweep: Sweep) -> None:
    request = sweep.ask(new_names(1), is_batch=False)
    sweep.arm()
    sweep.site.fulfil(request)


def minted_names_are_registered(sweep: Sweep) -> None:
    request = sweep.ask([], minted=3)
    sweep.arm()
    sweep.site.fulfil(request)


def names_are_checked(sweep: Sweep) -> None:
    request = sweep.ask(new_names(4))
    sweep.arm()
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.site.trap.disarm()
    sweep.site.fulfil(request)


def devices_are_created(sweep: Sweep) -> None:
    names = new_names(4)
    request = sweep.ask(names, nicknames={name: f"nick_{name[-1]}" for name in names[1:3]})
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.arm()
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


def check_refuses(sweep: Sweep) -> None:
    """Two names are taken when they are checked."""
    names = new_names(4)
    sweep.take(names[1:3])
    request = sweep.ask(names, ends=frozenset({"CHECK_FAILED"}), may_be_refused=frozenset(names[1:3]))
    sweep.arm(start="CROSS JOIN device")
    sweep.site.fulfil(request)


def creation_refuses(sweep: Sweep) -> None:
    """Two names are taken between the check and the creation."""
    names = new_names(4)
    request = sweep.ask(names, ends=frozenset({"CREATE_FAILED"}), may_be_refused=frozenset(names[1:3]))
    sweep.site.submit(request)
    assert sweep.site.wait(request) == "CHECK_SUCCESS"
    sweep.take(names[1:3])
    sweep.arm(start="INSERT INTO device")
    sweep.site.start_creation(request)
    sweep.site.conclude(request)


LANES: Final[list[dict[Callable[[Sweep], None], str]]] = [
    {device_is_registered: NOTHING, creation_refuses: AUTHENTICATION},
    {devices_are_created: AUTHENTICATION, product_is_created: AUTHENTICATION},
    {names_are_checked: AUTHENTICATION, check_refuses: AUTHENTICATION},
    {minted_names_are_registered: AUTHENTICATION},
]
"""Steps, and what is not counted in each; a data directory per lane, so that no processor idles."""


def sweep_lane(directory: Path, steps: Mapping[Callable[[Sweep], None], str]) -> Site:
    with Site(directory, is_warm=True).start() as site:
        for step, skip in steps.items():
            Sweep(site, skip).run(step)
        site.finish()
        return site


def shape(point: str) -> str:
    """A point without its file and the values in it."""
    words = point.partition(": ")[2].split("=")[0].split()
    return " ".join(words[: 3 if words[0] == "INSERT" else 4])


def test_killed_before_every_statement_and_after_every_commit_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with ThreadPoolExecutor() as pool:
        lanes = [pool.submit(sweep_lane, tmp_path / f"lane{number}", steps) for number, steps in enumerate(LANES)]
    sites = [lane.result() for lane in lanes]
    points = [point for site in sites for point in site.trap.sprung]
    lost_answers = sum(len(site.ledger.lost) for site in sites)
    report(record_testsuite_property, "at a statement", len(points), f"{lost_answers} answers to what was done lost")
    assert sum(site.kills for site in sites) == len(points) >= 100
    assert WRITES - {shape(point) for point in points} == set()
    assert lost_answers >= 3


@dataclass
class Load:
    """Clients that ask for things at the same time, some of them for the same names."""

    site: Site
    product: str
    shared: list[str]
    ended: Event = field(default_factory=Event)
    broken: Event = field(default_factory=Event)

    def wait_for_restart(self) -> None:
        """What a client does when its connection is lost."""
        assert not self.broken.is_set()
        time.sleep(0.02)

    def run_client(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (not a secret)
        while not self.ended.is_set():
            self.site.fulfil(self.site.ledger.ask(self._choose(chance)))

    def _choose(self, chance: random.Random) -> Request:
        kind = chance.choice(["names", "contested", "minted", "device"])
        if kind == "minted":
            return Request(self.product, minted=chance.randint(1, 30))
        if kind == "device":
            return Request(self.product, new_names(1), is_batch=False)
        names = new_names(chance.randint(1, 30))
        if kind == "names":
            return Request(self.product, names)
        contested = chance.sample(self.shared, 3)
        return Request(self.product, names + contested, ends=FINAL, may_be_refused=frozenset(contested))

    @contextmanager
    def running(self, clients: int) -> Iterator[None]:
        with ThreadPoolExecutor() as pool:
            futures = [pool.submit(self.run_client, seed) for seed in range(clients)]
            try:
                yield
            except BaseException:
                self.broken.set()
                raise
            finally:
                self.ended.set()
                for future in futures:
                    future.result()


def kill_at_a_statement(site: Site, chance: random.Random) -> None:
    site.trap.arm(Order(chance.randint(1, 150)))
    wait_for_end(site)
    site.revive()


def kill_at_a_moment(site: Site, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.05, 0.5))
    site.server.kill()
    site.revive()


def kill_while_numbers_are_reserved(site: Site) -> None:
    """A process reserves batch numbers once, when it is first asked for a batch."""
    reserving = "counter.name = 'batch'"
    site.server.kill()
    for position in (1, 2, 3):
        site.revive(Order(position, reserving, AUTHENTICATION))
        wait_for_end(site)
    site.revive()


def wait_for_end(site: Site) -> None:
    assert site.server.process is not None
    site.server.process.wait(PATIENCE)


def test_killed_under_load_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(11)  # noqa: S311 (not a secret)
    with Site(tmp_path / "site").start() as site:
        load = Load(site, site.create_product(), new_names(100))
        site.lost_connection = load.wait_for_restart
        with load.running(clients=4):
            for kill in [kill_at_a_statement, kill_at_a_moment] * 4:
                kill(site, chance)
            kill_while_numbers_are_reserved(site)
        site.finish()
    report(record_testsuite_property, "under load", site.kills, f"{len(site.ledger.requests)} requests")
    assert site.kills == 12
    assert {request.ended for request in site.ledger.requests} >= {"CREATE_SUCCESS", "CHECK_FAILED"}


def test_killed_during_its_first_start_it_starts_the_next_time(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with Site(tmp_path / "site") as site:
        for order in FIRST_START:
            site.trap.arm(order)
            with pytest.raises(RuntimeError, match="ended with -9"):
                site.start()
            assert site.server.stop() == -signal.SIGKILL
        site.trap.disarm()
        site.start()
        site.fulfil(site.ledger.ask(Request(site.create_product(), new_names(3))))
        site.finish()
    points = site.trap.sprung
    report(record_testsuite_property, "during the first start", len(points), "one data directory")
    assert len(points) == len(FIRST_START)


def report(record: Callable[[str, object], None], where: str, kills: int, more: str) -> None:
    record(f"kills {where}", kills)
    print(f"{kills} kills {where}; {more}")  # noqa: T201 (shown with -rP)
