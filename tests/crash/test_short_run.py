"""A short run of what `make crash` does for half an hour."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.crash.run import Plan, run

SECONDS: Final = 12
KILLS: Final = 4


def test_an_installation_that_is_killed_again_and_again_loses_nothing(
    engine: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    plan = Plan(engine, SECONDS, seed=5, devices=60_000, lease=1, workers=2, least_kills=KILLS)
    with TemporaryDirectory(prefix="nameplate-crash-") as directory:
        outcome = run(plan, Path(directory), print)
    record_testsuite_property(f"kills of an installation on {engine}", sum(outcome.kills.values()))
    print(outcome.as_json())  # noqa: T201 (shown with -rP)
    assert outcome.wrong == []
    assert outcome.is_right
    assert outcome.stack_traces == 0
    assert sum(outcome.kills.values()) >= KILLS
    assert outcome.devices > 1000
