"""Many brokers' questions at the same time: each gets its own answer, whatever is looked up together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from tests.support.devices import FieldDevice, Hooks, register
from tests.support.server import Server
from tests.support.signer import Client

CLIENTS = 16
ROUNDS = 12


def questions(root: Client, product: str, other: str) -> Iterator[tuple[FieldDevice, bool]]:
    """Return devices, and whether they are to be let in."""
    for key in (product, other):
        names = [f"lamp-{uuid4().hex[:8]}" for _ in range(3)]
        good, disabled, deleted = (register(root, key, name) for name in names)
        root.call("DisableThing", ProductKey=key, DeviceName=disabled.name)
        root.call("DeleteDevice", ProductKey=key, DeviceName=deleted.name)
        yield from [(good, True), (disabled, False), (deleted, False)]
        yield FieldDevice(key, good.name, disabled.secret), False
        yield FieldDevice(key, "never-was", good.secret), False
        yield FieldDevice("a1NoProduct", good.name, good.secret), False


def test_each_of_many_at_once_gets_its_own_answer(server: Server, root: Client, product: str) -> None:
    second = root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")
    asked = list(questions(root, product, str(second["ProductKey"])))

    def ask(number: int) -> list[bool]:
        with Hooks(server.port) as hooks:
            turned = asked[number % len(asked) :] + asked[: number % len(asked)]
            return [hooks.admits(device) == expected for _ in range(ROUNDS) for device, expected in turned]

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for some in pool.map(ask, range(CLIENTS)) for answer in some]
    assert all(answers)
    assert len(answers) == CLIENTS * ROUNDS * len(asked)


def test_one_that_cannot_be_read_spoils_no_other(server: Server, device: FieldDevice) -> None:
    def ask(number: int) -> bool:
        with Hooks(server.port) as hooks:
            for _ in range(ROUNDS):
                if number % 2:
                    bad = hooks.send("/brokers/emqx/authenticate", b'{"username": 7}', "application/json")
                    assert bad.status == 400, bad
                else:
                    assert hooks.admits(device)
        return True

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert all(pool.map(ask, range(CLIENTS)))
