"""What a batch that comes from a file may do, and what becomes of each of its rows.

Its states are those of any batch; what differs is who may follow whom: after failed rows have been corrected it is
checked again, and rows that are accepted may be created beside ones that are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from nameplate.domain.batch import State
from nameplate.domain.device import ORDINAL_BITS

MOST_ROWS: Final = 1 << ORDINAL_BITS
"""Rows that one batch has room for, corrected ones counted again."""

VALUE_LENGTH: Final = 200
"""How much of a cell a finding shows."""


class Policy(StrEnum):
    """Which rows of a checked file are to be created."""

    ALL_OR_NOTHING = "all-or-nothing"
    """Every one, or else none: refused while a row is illegal or in conflict, undone if a name is taken meanwhile."""

    SKIP_INVALID = "skip-invalid"
    """Every one that can be; the others stay failed until they are corrected."""

    SKIP_EXISTING = "skip-existing"
    """Every one whose name is free; refused while a row is illegal. Devices that exist stay as they are."""


class Outcome(IntEnum):
    """What becomes, or has become, of one row: a byte in its part."""

    CREATE = 0
    """Its device is to be created."""

    UNCHANGED = 1
    """Its device existed with the same content."""

    CONFLICT = 2
    """A device of its name exists with other content."""

    CREATED = 3
    """Its device was created."""

    TAKEN = 4
    """Its name was taken between the check and the creation."""

    CORRECTED = 5
    """Another row has taken its place."""

    UPDATED = 6
    """A device of its name existed and was given its content."""


FAILED: Final = (Outcome.CONFLICT, Outcome.TAKEN)
"""What a retry looks at again."""


class UploadKind(StrEnum):
    """What an upload is for."""

    FILE = "file"
    CORRECTIONS = "corrections"


class UploadState(StrEnum):
    """How far an upload is."""

    RECEIVING = "receiving"
    RECEIVED = "received"
    READING = "reading"
    READ = "read"
    FAILED = "failed"
    """It could not be read; its problem says why."""


CLAIMABLE: Final = (UploadState.RECEIVED, UploadState.READING)
"""What a reader may begin, or begin again."""


class FindingKind(StrEnum):
    """Why a row is not accepted."""

    ILLEGAL = "illegal"
    CONFLICT = "conflict"
    TAKEN = "taken"


class Stage(StrEnum):
    """What a file's batch is doing, for people to read: finer than its state."""

    UPLOADING = "uploading"
    READING = "reading"
    CHECKING = "checking"
    PLANNED = "planned"
    CREATING = "creating"
    UNDOING = "undoing"
    ENDED = "ended"
    CANCELLED = "cancelled"


FOLLOWERS: Final[Mapping[State, tuple[State, ...]]] = {
    State.CHECK: (State.CHECK_SUCCESS, State.CHECK_FAILED),
    State.CHECK_SUCCESS: (State.CREATE, State.CHECK_FAILED),
    State.CHECK_FAILED: (State.CREATE, State.CHECK),
    State.CREATE: (State.CREATE_SUCCESS, State.CREATE_FAILED),
    State.CREATE_SUCCESS: (),
    State.CREATE_FAILED: (State.CHECK,),
}
"""Which states of a file's batch may follow which. From CHECK_SUCCESS to CHECK_FAILED it is cancelled."""


@dataclass(frozen=True, slots=True)
class Application:
    """How a checked file is to be applied.

    `replaces` gives devices that exist with other content that of their rows, their secrets too.
    """

    policy: Policy
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """The rows of a file, by what has become of them."""

    total: int
    done: int
    refused: int
    illegal: int
    unchanged: int
    conflicts: int
    created: int
    updated: int

    @property
    def to_create(self) -> int:
        """How many rows are left whose devices are to be created, once all are checked."""
        settled = self.illegal + self.unchanged + self.conflicts + self.created + self.updated
        return max(0, self.total - settled)


def objection(application: Application, counts: Counts) -> str | None:
    """Return why a checked file may not be applied so, with what to do; None if it may."""
    policy = application.policy
    if policy is Policy.ALL_OR_NOTHING and application.replaces:
        return "what was replaced cannot be undone: with replace_secrets the policy is skip-invalid or skip-existing"
    if policy is Policy.ALL_OR_NOTHING and counts.created + counts.updated:
        return "some of its rows were applied before: choose skip-invalid or skip-existing"
    if counts.illegal and policy is not Policy.SKIP_INVALID:
        return f"{counts.illegal} of its rows are illegal: correct them, or choose skip-invalid"
    if counts.conflicts and policy is Policy.ALL_OR_NOTHING:
        return f"{counts.conflicts} of its rows name devices that exist with other content: correct them, or skip them"
    return None
