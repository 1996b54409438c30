"""`nameplate status`, `watch`, `apply`, `retry` and `cancel`: batches of files that are there."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from nameplate.cli import plans
from nameplate.cli.corrections import Corrections
from nameplate.cli.course import Choice, Course
from nameplate.cli.ending import FAILED
from nameplate.cli.events import follow
from nameplate.cli.imports import Detach, PolicyOption, Replaces, Yes
from nameplate.cli.session import Session, with_session

BatchId = Annotated[
    int, typer.Argument(help="The batch's id; `nameplate status` lists them.", min=1, show_default=False)
]


@with_session
def status(
    session: Session,
    batch: Annotated[int | None, typer.Argument(help="A batch's id; by default the newest are listed.", min=1)] = None,
    product: Annotated[str | None, typer.Option(help="Only batches of this product.")] = None,
    limit: Annotated[int, typer.Option(help="How many to list.", min=1, max=1000)] = 20,
) -> None:
    """Show how far a batch is, or list the newest."""
    with session.connected() as remote:
        if batch is not None:
            progress = remote.get(f"/v1/batches/{batch}")
            steps = plans.next_steps(progress)
            session.answer(progress, f"{plans.summary(progress)}\n{steps}".rstrip())
        else:
            found = remote.get("/v1/batches", product_key=product, limit=limit)["items"]
            session.answer(found, plans.batch_table(found))


@with_session
def watch(session: Session, batch: BatchId) -> None:
    """Follow a batch until it does nothing more by itself; with --json, a line for each change."""
    with session.connected() as remote:
        if session.as_json:
            _print_each(follow(remote, batch))
        course = Course(session, remote, remote.get(f"/v1/batches/{batch}"))
        course.rest()
        course.report()


def _print_each(feed: Iterator[plans.Progress]) -> NoReturn:
    """Print a line for each event; end with 1 if there is something to do about the last."""
    has_failed = False
    for progress in feed:
        sys.stdout.write(f"{json.dumps(progress, ensure_ascii=False)}\n")
        sys.stdout.flush()
        has_failed = plans.has_failed(progress)
    raise typer.Exit(FAILED if has_failed else 0)


@with_session
def apply(
    session: Session,
    batch: BatchId,
    policy: PolicyOption = None,
    replace_secrets: Replaces = False,
    detach: Detach = False,
) -> None:
    """Create the devices that a plan says, and wait for the end."""
    with session.connected() as remote:
        course = Course(session, remote, remote.get(f"/v1/batches/{batch}"))
        course.apply(Choice(policy, replace_secrets, is_sure=True, waits=not detach))
        course.report()


@with_session
def retry(  # noqa: PLR0913 (the options of a command)
    session: Session,
    batch: BatchId,
    file: Annotated[
        Path | None,
        typer.Argument(help="Corrected rows, as `nameplate failed` wrote them; without, rows are only checked again."),
    ] = None,
    policy: PolicyOption = None,
    replace_secrets: Replaces = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be created.")] = False,
    yes: Yes = False,
    detach: Detach = False,
) -> None:
    """Check the failed rows of a batch again, corrected or not, and create them under the same batch.

    Stopped half-way, the same command goes on.
    """
    choice = Choice(policy, replace_secrets, only_plan=plan, is_sure=yes, waits=not detach)
    choice.check(as_json=session.as_json)
    with session.connected() as remote:
        course = Course(session, remote, remote.get(f"/v1/batches/{batch}"))
        if file is None:
            course.send("retry", choice.body(course.progress) if yes else None)
        else:
            sent = Corrections(session, remote, batch, file).send(choice.body(course.progress) if yes else None)
            course.became(sent)
        if not (yes and detach):
            course.rest()
            course.carry_out(choice)
        course.report()


@with_session
def cancel(session: Session, batch: BatchId) -> None:
    """Stop a batch. What it has created stays, unless it was to be all or nothing."""
    with session.connected() as remote:
        course = Course(session, remote, remote.get(f"/v1/batches/{batch}"))
        course.send("cancel")
        course.rest()
        session.answer(course.progress, plans.summary(course.progress))
