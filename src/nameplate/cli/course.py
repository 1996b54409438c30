"""The course of a batch: followed to its plan, applied when somebody says so, followed to its end."""

import sys
from dataclasses import dataclass
from typing import Any, Final

import typer

from nameplate.cli import plans
from nameplate.cli.ending import FAILED, misuse
from nameplate.cli.events import MOVING, follow
from nameplate.cli.measures import measure
from nameplate.cli.plans import Progress
from nameplate.cli.problems import ProblemError
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session
from nameplate.domain.file_batch import Policy

_FAILED_KINDS: Final = ("illegal", "conflict", "taken")
_SHOWN: Final = 10
_NOT_SO: Final = "nameplate.batch.CannotBeApplied"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to become of a plan: nothing yet, or devices, with or without asking first."""

    policy: Policy | None = None
    """None is the one it had before, or what fits what was created of it already."""

    replaces: bool = False
    only_plan: bool = False
    is_sure: bool = False
    waits: bool = True

    def body(self, batch: Progress | None = None) -> dict[str, Any]:
        """Return it as the server takes it for a batch, or for a new one."""
        policy = self.policy
        if policy is None and batch is not None and batch["policy"]:
            policy = Policy(batch["policy"])
        if policy is None:
            policy = Policy.SKIP_INVALID if batch is not None and batch["created"] else Policy.ALL_OR_NOTHING
        return {"policy": policy.value, "replace_secrets": self.replaces}

    def check(self, *, as_json: bool) -> None:
        """Make sure, before anything is sent, that somebody can be asked who has to be. Raises CommandError."""
        if not (self.only_plan or self.is_sure) and (as_json or not sys.stdin.isatty()):
            text = "Nobody can be asked whether to create the devices: say --yes, or --plan to only see what would be."
            misuse(text)


class Course:
    """One batch on its way."""

    def __init__(self, session: Session, remote: Remote, progress: Progress) -> None:
        self.progress = progress
        self._first = progress
        self._refused = False
        self._before: int | None = None
        self._session = session
        self._remote = remote
        self._place = f"/v1/batches/{progress['batch_id']}"

    def became(self, progress: Progress) -> None:
        """Take note of how far it is, now that it was told to do something."""
        before = self.progress["moved_at"]
        self._before = before if progress["moved_at"] != before else None
        self.progress = progress

    def send(self, what: str, body: dict[str, Any] | None = None) -> None:
        """Tell it to do something. Raises ProblemError."""
        self.became(self._remote.post(f"{self._place}/{what}", body))

    def rest(self) -> None:
        """Follow it until it does nothing more by itself."""
        number, doing = self.progress["batch_id"], ""
        self._session.go_on = f"Batch {number} goes on by itself. Follow it with: nameplate watch {number}"
        with self._session.showing() as display:
            for progress in follow(self._remote, number, self._before):
                self.progress = progress
                doing = progress["stage"] if progress["stage"] in MOVING else doing
                if doing:
                    # At rest too: how far it came with what it did last.
                    display.show(measure({**progress, "stage": doing}))
        self._session.go_on = ""

    def carry_out(self, choice: Choice) -> None:
        """Apply its plan, if it is to be and is not yet, and follow it to its end. Raises CommandError."""
        if self.progress["stage"] != "planned" or self.progress["problem"] or choice.only_plan:
            return
        if not choice.is_sure:
            self._ask(choice)
        self.apply(choice)

    def apply(self, choice: Choice) -> None:
        """Apply its plan, once there is one, and follow it to its end unless nobody waits. Raises CommandError."""
        if self.progress["stage"] in MOVING:
            self.rest()
        try:
            self.send("apply", choice.body(self._first))
        except ProblemError as error:
            if error.name != _NOT_SO:
                raise
            # The rows that are in the way come with the report.
            self._session.tell(str(error))
            self._refused = True
            return
        if choice.waits:
            self.rest()

    def report(self) -> None:
        """Print where it is now; end with 1 if there are rows to correct."""
        text = "" if self._session.as_json else f"{self._described()}\n{plans.next_steps(self.progress)}"
        self._session.answer(self.progress, text.rstrip())
        if self._refused or plans.has_failed(self.progress):
            raise typer.Exit(FAILED)

    def _ask(self, choice: Choice) -> None:
        """Show the plan and ask; end if the answer is no."""
        number = self.progress["batch_id"]
        self._session.go_on = f"Nothing has been created. Apply the plan with: nameplate apply {number}"
        sys.stderr.write(f"{self._described()}\n")
        if not typer.confirm(f"Create the devices, {choice.body(self._first)['policy']}?", err=True):
            sys.stderr.write(f"{self._session.go_on}\n")
            raise typer.Exit

    def _described(self) -> str:
        count = self.progress["illegal"] + self.progress["conflicts"]
        rows = self._failed_rows()
        parts = (plans.summary(self.progress), plans.failed_rows(rows, max(count, len(rows))))
        return "\n".join(part for part in parts if part)

    def _failed_rows(self) -> list[dict[str, Any]]:
        """Return some of the rows that are wrong."""
        rows: list[dict[str, Any]] = []
        if not self.progress["failed"]:
            return rows
        for kind in _FAILED_KINDS:
            rows += self._remote.get(f"{self._place}/rows", kind=kind, limit=_SHOWN)["items"]
        return sorted(rows, key=lambda row: row["line"])[:_SHOWN]
