"""Kills whatever runs, at moments and at statements, and starts it again."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

from tests.crash.ledger import Ledger
from tests.crash.members import TICK_SECONDS, Member
from tests.crash.topology import Topology
from tests.support.killer import AFTER_COMMIT, Order

PATIENCE: Final = 6
ONLY_COMMITS: Final = f"^(?!.*{AFTER_COMMIT}$)"
WORK: Final = ("UPDATE part SET owner", "UPDATE part SET is_done", " device", "UPDATE batch SET", "INSERT INTO refusal")
CALLS: Final = ("INSERT INTO batch", "INSERT INTO client_token", "INSERT INTO part", "INSERT INTO device", "SET step")

Kill = Callable[[], None]


class Chaos:
    """One thread for servers and the database, and others for workers; so that it all happens at the same time."""

    def __init__(self, topology: Topology, ledger: Ledger, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self._topology = topology
        self._ledger = ledger
        self._counting = threading.Lock()
        self._seeds = random.Random(seed)  # noqa: S311 (not a secret)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stopped.clear()
        kinds = [self._front, *[self._back] * ((len(self._topology.workers) + 1) // 2)]
        self._threads = [threading.Thread(target=self._run, args=[kind], name="chaos") for kind in kinds]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Kill no more, and return when everything runs."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _run(self, kinds: Callable[[random.Random], list[Kill]]) -> None:
        with self._counting:
            chance = random.Random(self._seeds.random())  # noqa: S311 (not a secret)
        turns = _shuffled(kinds(chance), chance)
        while not self._stopped.wait(chance.uniform(0.2, 1.5)):
            try:
                next(turns)()
            except Exception as error:  # noqa: BLE001 (the run ends, and says so)
                self._ledger.complain(f"chaos: {type(error).__name__}: {error}")
                return

    def _front(self, chance: random.Random) -> list[Kill]:
        trapped = [server for server in self._topology.servers if server.trapped]
        kills: list[Kill] = [
            lambda: self._kill(chance, self._topology.servers, "server"),
            lambda: self._kill_at(chance, trapped, "server", self._statement(chance, CALLS, 60)),
            lambda: self._kill_at(chance, trapped, "server", _commit(chance)),
        ]
        if len(trapped) < len(self._topology.servers):
            kills.append(lambda: self._kill_child(chance))
        if self._topology.postgres is not None:
            kills.append(lambda: self._crash(chance))
        kills.append(lambda: self._kill_all(chance))
        return kills

    def _back(self, chance: random.Random) -> list[Kill]:
        workers = self._topology.workers
        return [
            lambda: self._kill(chance, workers, "worker"),
            lambda: self._pause(chance, workers),
            lambda: self._kill_at(chance, workers, "worker", self._statement(chance, WORK, 30)),
            lambda: self._kill_at(chance, workers, "worker", _commit(chance)),
        ]

    def _statement(self, chance: random.Random, starts: tuple[str, ...], most: int) -> Order:
        if chance.random() < 0.4:
            return Order(chance.randint(1, most))
        return Order(chance.randint(1, 3), chance.choice(starts))

    def _kill(self, chance: random.Random, members: list[Member], what: str) -> None:
        member = chance.choice(members)
        with member.lock:
            self._look_after(member)
            member.kill()
            self._count(f"{what} killed")
            self._stopped.wait(chance.uniform(0, 1))
            member.start()

    def _kill_at(self, chance: random.Random, members: list[Member], what: str, order: Order) -> None:
        member = chance.choice(members)
        with member.lock:
            self._look_after(member)
            member.trap.arm(order)
            member.ends_within(PATIENCE)
            if not member.trap.disarm():
                member.ends_within(PATIENCE)
            self._look_after(
                member, f"{what} killed {'after a commit' if order.skip == ONLY_COMMITS else 'at a statement'}"
            )

    def _pause(self, chance: random.Random, members: list[Member]) -> None:
        """Let a worker stand still for longer than its lease, once it is at work on a part if one comes soon."""
        member = chance.choice(members)
        with member.lock:
            self._look_after(member)
            before = len(member.trap.sprung)
            member.trap.arm(Order(chance.randint(1, 6), "UPDATE part SET owner", number=signal.SIGSTOP))
            end = time.monotonic() + PATIENCE / 2
            while len(member.trap.sprung) == before and time.monotonic() < end:
                time.sleep(TICK_SECONDS)
            member.trap.disarm()
            member.send(signal.SIGSTOP)
            time.sleep(self._topology.lease * chance.uniform(1.1, 2))
            member.send(signal.SIGCONT)
            self._count("worker stood still past its lease")

    def _kill_child(self, chance: random.Random) -> None:
        member = chance.choice([server for server in self._topology.servers if not server.trapped])
        with member.lock:
            self._look_after(member)
            if member.kill_child(chance):
                self._count("process of a server killed")

    def _crash(self, chance: random.Random) -> None:
        assert self._topology.postgres is not None
        self._topology.postgres.crash()
        self._count("database crashed")
        self._stopped.wait(chance.uniform(0, 2))
        self._topology.postgres.start()

    def _kill_all(self, chance: random.Random) -> None:
        """As when a machine loses its power."""
        members = self._topology.members
        with ExitStack() as stack:
            for member in members:
                stack.enter_context(member.lock)
                self._look_after(member)
            if self._topology.postgres is not None:
                self._topology.postgres.crash()
            for member in chance.sample(members, len(members)):
                member.kill()
            self._count("everything killed at once")
            if self._topology.postgres is not None:
                self._topology.postgres.start()
            self._topology.for_each(Member.start, members)

    def _look_after(self, member: Member, kind: str = "") -> None:
        """Start a member that has ended; what ended it was the trap, or else it should not have."""
        if not member.has_ended:
            return
        member.trap.disarm()
        if kind and member.code == -signal.SIGKILL:
            self._count(kind)
        else:
            self._ledger.complain(f"{member.name} has ended with {member.code}: {member.log[-1000:]}")
        member.start()

    def _count(self, kind: str) -> None:
        with self._counting:
            self.kills[kind] += 1


def _shuffled(kills: list[Kill], chance: random.Random) -> Iterator[Kill]:
    """Each once in every round, so that a short run has them all."""
    while True:
        yield from chance.sample(kills, len(kills))


def _commit(chance: random.Random) -> Order:
    return Order(chance.randint(1, 6), AFTER_COMMIT, ONLY_COMMITS)
