"""What a batch may do: its states, who may follow whom, and which of its rows are refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from nameplate.domain import names

ROWS_PER_CALL: Final = 10_000
ROWS_PER_PART: Final = 10_000
CERTIFICATES_PER_CALL: Final = 1_000
"""Rows per call for a product whose devices get certificates."""

ILLEGAL_NAME: Final = "The device name is illegal."
ILLEGAL_NICKNAME: Final = "The nick name is illegal."
REPEATED_NAME: Final = "The device name is repeated."
TAKEN_NAME: Final = "The device name already exists."
ILLEGAL_SECRET: Final = "The device secret is illegal."  # noqa: S105 (a text about one)
ILLEGAL_SN: Final = "The sn is illegal."
HELD_BACK: Final = "The device was not created because another device of the batch could not be created."


class State(StrEnum):
    """Where a batch stands.

    The names are the wire's own (page 69483).
    """

    CHECK = "CHECK"
    """Its names are being checked."""

    CHECK_SUCCESS = "CHECK_SUCCESS"
    """Every name may be registered; nothing exists yet."""

    CHECK_FAILED = "CHECK_FAILED"
    """Some names were refused; nothing was or will be created."""

    CREATE = "CREATE"
    """Its devices are being created."""

    CREATE_SUCCESS = "CREATE_SUCCESS"
    """Every device exists."""

    CREATE_FAILED = "CREATE_FAILED"
    """Some names were refused while creating; every other device exists."""


class Origin(IntEnum):
    """Where the names and secrets of a batch's devices come from."""

    MINTED = 0
    """Both are made here."""

    NAMED = 1
    """The names were sent."""

    IMPORTED = 2
    """Names and secrets were sent."""

    FILE = 3
    """They are in a file that was uploaded; see `file_batch`."""


class Step(StrEnum):
    """What a worker does to a batch in one state."""

    CHECK = "check"
    CREATE = "create"
    UNDO = "undo"
    """Devices of a file of which all or none are to be created are deleted again."""


FOLLOWERS: Final[dict[State, tuple[State, ...]]] = {
    State.CHECK: (State.CHECK_SUCCESS, State.CHECK_FAILED),
    State.CHECK_SUCCESS: (State.CREATE,),
    State.CHECK_FAILED: (),
    State.CREATE: (State.CREATE_SUCCESS, State.CREATE_FAILED),
    State.CREATE_SUCCESS: (),
    State.CREATE_FAILED: (),
}
"""Which states may follow which; a state without followers is final."""

STEPS: Final[dict[State, Step]] = {State.CHECK: Step.CHECK, State.CREATE: Step.CREATE}
"""The states in which a worker has something to do, and what."""

RUNNING: Final = {Step.CHECK: State.CHECK, Step.CREATE: State.CREATE, Step.UNDO: State.CREATE}
"""The state a batch is in while a step is being done to it."""

_OUTCOMES: Final = {
    Step.CHECK: (State.CHECK_SUCCESS, State.CHECK_FAILED),
    Step.CREATE: (State.CREATE_SUCCESS, State.CREATE_FAILED),
}


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One row of a part that is not accepted.

    `ordinal` counts from 0 within the part.
    """

    ordinal: int
    reason: str


def outcome(step: Step, refused: int) -> State:
    """Return the state that follows once every part of `step` is done and `refused` rows were refused in all."""
    success, failure = _OUTCOMES[step]
    return failure if refused else success


def refuse_rows(device_names: Sequence[str], nicknames: Sequence[str | None] | None) -> list[RefusedRow]:
    """Return the rows that may not be registered whatever the registry holds: ill-formed or repeated ones.

    Of a repeated name each row but the first is refused. Several reasons are joined with `|`.
    """
    repeated = len(set(device_names)) != len(device_names)
    if nicknames is None and not repeated and names.all_device_names(device_names):
        return []
    seen: set[str] = set()
    refused = []
    for ordinal, name in enumerate(device_names):
        nickname = nicknames[ordinal] if nicknames else None
        reasons = _reasons(name, nickname, repeated=name in seen)
        seen.add(name)
        if reasons:
            refused.append(RefusedRow(ordinal, "|".join(reasons)))
    return refused


def _reasons(name: str, nickname: str | None, *, repeated: bool) -> list[str]:
    reasons = []
    if not names.is_device_name(name):
        reasons.append(ILLEGAL_NAME)
    if repeated:
        reasons.append(REPEATED_NAME)
    if nickname is not None and not names.is_nickname(nickname):
        reasons.append(ILLEGAL_NICKNAME)
    return reasons
