"""The steps of parts that come from files: each is marked done, and counted, in the transaction that did it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, select

from nameplate.domain.batch import RUNNING, State, Step, outcome
from nameplate.domain.file_batch import FAILED, Application, Counts, Outcome, Policy, objection
from nameplate.store.batches import move
from nameplate.store.findings import StoredFinding, add_findings, forget_lines
from nameplate.store.parts import Claim, LeaseLostError, finish_claim, forget_names
from nameplate.store.schema import batch, part
from nameplate.store.tallies import has_room

COUNTS: Final = tuple(batch.c[name] for name in Counts.__dataclass_fields__)
_CHANGED: Final = ("done", "refused", "unchanged", "conflicts", "created", "updated")
_COUNT: Final = (
    batch.update()
    .where(batch.c.id == bindparam("of_batch"), batch.c.state == bindparam("running"))
    .values({name: batch.c[name] + bindparam(f"more_{name}") for name in _CHANGED})
    .returning(batch.c.is_reading, batch.c.policy, batch.c.replaces, batch.c.product_id, *COUNTS)
)
_LEFT: Final = select(
    func.coalesce(func.sum(part.c.rows - part.c.corrected), 0),
).where(part.c.batch_id == bindparam("batch_id"), part.c.is_done == 0)
_RESTING: Final = select(func.coalesce(func.sum(part.c.failed), 0)).where(
    part.c.batch_id == bindparam("batch_id"), part.c.is_done == 1
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a step has done to the rows of a part.

    `outcomes` are those after it; `created` devices came into being, or are gone again if it is negative. What was
    found about the lines in `settled` is not so any more.
    """

    outcomes: bytes
    findings: Sequence[StoredFinding] = ()
    settled: Collection[int] = ()
    created: int = 0


def outcomes_of(claim: Claim) -> bytes:
    """Return the outcomes of a part's rows before its step."""
    return claim.outcomes if claim.outcomes is not None else bytes(claim.rows)


def finish_file_part(
    connection: Connection, claim: Claim, done: Done, policy: Policy | None, now: int, most_devices: int | None
) -> State:
    """Mark a part done, in the transaction that did it, and move its batch on after the last one.

    `policy` is what a creation is done by. A check that has ended is applied at once if that was asked for and the
    product has room below `most_devices`. Returns the batch's state. Raises LeaseLostError.
    """
    before, after = outcomes_of(claim), done.outcomes
    failed = sum(map(after.count, FAILED))
    finish_claim(connection, claim, outcomes=_written(claim, after), failed=failed)
    if claim.step is Step.CREATE and after.count(Outcome.CREATED) == claim.rows and policy is not Policy.ALL_OR_NOTHING:
        forget_names(connection, claim)
    forget_lines(connection, claim.batch_id, done.settled)
    add_findings(connection, claim.batch_id, done.findings)
    more = {
        "done": claim.rows - after.count(Outcome.CORRECTED),
        "refused": _refused(claim.step, after, policy),
        "unchanged": after.count(Outcome.UNCHANGED) - before.count(Outcome.UNCHANGED),
        "conflicts": after.count(Outcome.CONFLICT) - before.count(Outcome.CONFLICT),
        "created": done.created,
        "updated": after.count(Outcome.UPDATED) - before.count(Outcome.UPDATED),
    }
    running = RUNNING[claim.step]
    values = {f"more_{name}": number for name, number in more.items()}
    row = connection.execute(_COUNT, {"of_batch": claim.batch_id, "running": running, **values}).one_or_none()
    if row is None:
        raise LeaseLostError(claim.batch_id)
    if row.done < row.total or row.is_reading:
        return running
    if claim.step is Step.CHECK:
        return end_check(connection, claim.batch_id, row, now, most_devices)
    ended = outcome(Step.CREATE, row.refused) if claim.step is Step.CREATE else State.CREATE_FAILED
    move(connection, claim.batch_id, running, ended, now)
    return ended


def _written(claim: Claim, outcomes: bytes) -> bytes | None:
    """Return what is kept of outcomes: nothing if all are what the step says by itself."""
    plain = Outcome.CREATED if claim.step is Step.CREATE else Outcome.CREATE
    return None if outcomes.count(plain) == claim.rows else outcomes


def _refused(step: Step, outcomes: bytes, policy: Policy | None) -> int:
    if step is Step.UNDO:
        return outcomes.count(Outcome.CREATE) + outcomes.count(Outcome.TAKEN)
    if step is Step.CREATE and policy is Policy.SKIP_EXISTING:
        return 0
    # What could not be created for another reason is left as it was.
    return sum(map(outcomes.count, FAILED))


def end_check(connection: Connection, batch_id: int, row: Row[tuple[int, ...]], now: int, most: int | None) -> State:
    """Move a batch on whose every row has been checked, and apply it if that was asked for and may be done."""
    counts = Counts(*(getattr(row, column.name) for column in COUNTS))
    ended = outcome(Step.CHECK, counts.refused) if counts.total else State.CHECK_FAILED
    move(connection, batch_id, State.CHECK, ended, now)
    if row.policy is None or not counts.total:
        return ended
    application = Application(Policy(row.policy), bool(row.replaces))
    if objection(application, counts) is not None or not has_room(connection, row.product_id, counts.to_create, most):
        return ended
    return start(connection, batch_id, ended, application, counts, now)


def start(
    connection: Connection, batch_id: int, state: State, application: Application, counts: Counts, now: int
) -> State:
    """Let the rows of a checked file be created; returns the state that its batch is in then."""
    chosen = part.c.step == Step.CHECK
    if application.replaces:
        chosen |= part.c.failed > 0
    again(connection, batch_id, chosen, Step.CREATE, now)
    left: int = connection.execute(_LEFT, {"batch_id": batch_id}).scalar_one()
    refused = 0
    if application.policy is Policy.SKIP_INVALID:
        refused = counts.illegal + count_resting(connection, batch_id)
    values: dict[str, int | str] = {"policy": application.policy, "replaces": int(application.replaces)}
    move(connection, batch_id, state, State.CREATE, now, done=counts.total - left, refused=refused, **values)
    if left:
        return State.CREATE
    ended = outcome(Step.CREATE, refused)
    move(connection, batch_id, State.CREATE, ended, now)
    return ended


def again(connection: Connection, batch_id: int, chosen: ColumnElement[bool], step: Step, now: int) -> int:
    """Let a step be done to some parts of a batch; returns how many of its rows wait then."""
    waiting = {"step": step, "is_done": 0, "owner": None, "leased_until": 0, "waiting_since": now}
    # In one whose every row was corrected there is nothing to do.
    has_rows = part.c.rows > part.c.corrected
    connection.execute(part.update().where(part.c.batch_id == batch_id, has_rows, chosen).values(waiting))
    left: int = connection.execute(_LEFT, {"batch_id": batch_id}).scalar_one()
    return left


def count_resting(connection: Connection, batch_id: int) -> int:
    """Return how many rows of parts that are done have names that others have."""
    count: int = connection.execute(_RESTING, {"batch_id": batch_id}).scalar_one()
    return count
