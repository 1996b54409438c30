import pytest

from nameplate.cli.ending import CommandError
from nameplate.cli.patience import Patience


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


class Waiting:
    """Somebody's patience, and what they said."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        self.patience = Patience(self.said.append, 60.0, lambda: self.clock.now, self.clock.sleep)

    def for_ever(self) -> None:
        while True:
            self.patience.wait(ERROR)


ERROR = CommandError("No connection.")


def test_a_server_that_never_answered_is_not_waited_for() -> None:
    waiting = Waiting()
    with pytest.raises(CommandError, match="No connection"):
        waiting.patience.wait(ERROR)
    assert waiting.clock.slept == []


def test_a_server_that_has_answered_is_waited_for_longer_and_longer_and_not_for_ever() -> None:
    waiting = Waiting()
    waiting.patience.answered()
    with pytest.raises(CommandError):
        waiting.for_ever()
    assert 0.18 < waiting.clock.slept[0] < 0.32
    assert max(waiting.clock.slept) <= 10
    assert 60 <= waiting.clock.now < 70
    assert waiting.said == ["No connection. Trying again for 60 seconds."]


def test_an_answer_makes_patience_new() -> None:
    waiting = Waiting()
    waiting.patience.answered()
    for _ in range(5):
        waiting.patience.wait(ERROR)
    waiting.patience.answered()
    waiting.patience.wait(ERROR)
    assert waiting.clock.slept[-1] < 0.32
    assert len(waiting.said) == 2


def test_a_server_that_says_when_to_come_back_is_not_asked_before() -> None:
    waiting = Waiting()
    waiting.patience.wait(ERROR, is_there=True, least=5.0)
    assert waiting.clock.slept == [5.0]
