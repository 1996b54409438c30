"""The course of a batch: followed to its plan, applied when somebody says so, followed to its end."""

import sys
from dataclasses import dataclass
from typing import Any, Final

import typer

from nameplate.cli import plans
from nameplate.cli.ending import FAILED, misuse
from nameplate.cli.events import MOVING, follow
from nameplate.cli.plans import Progress
from nameplate.cli.progress import measure
from nameplate.cli.remote import Remote
from nameplate.cli.session import Session
from nameplate.domain.file_batch import Policy

_FAILED_KINDS: Final = ("illegal", "conflict", "taken")
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to become of a plan: nothing yet, or devices, with or without asking first."""

    policy: Policy
    replaces: bool = False
    only_plan: bool = False
    is_sure: bool = False
    waits: bool = True

    @property
    def body(self) -> dict[str, Any]:
        """Return it as the server takes it."""
        return {"policy": self.policy.value, "replace_secrets": self.replaces}

    def check(self, *, as_json: bool) -> None:
        """Make sure, before anything is sent, that somebody can be asked who has to be. Raises CommandError."""
        if not (self.only_plan or self.is_sure) and (as_json or not sys.stdin.isatty()):
            text = "Nobody can be asked whether to create the devices: say --yes, or --plan to only see what would be."
            misuse(text)


class Course:
    """One batch on its way."""

    def __init__(self, session: Session, remote: Remote, progress: Progress) -> None:
        self.progress = progress
        self._session = session
        self._remote = remote
        self._place = f"/v1/batches/{progress['batch_id']}"

    def rest(self) -> None:
        """Follow it until it does nothing more by itself."""
        number = self.progress["batch_id"]
        self._session.go_on = f"Batch {number} goes on by itself. Follow it with: nameplate watch {number}"
        with self._session.showing() as display:
            for progress in follow(self._remote, number):
                self.progress = progress
                if progress["stage"] in MOVING:
                    display.show(measure(progress))

    def carry_out(self, choice: Choice) -> None:
        """Apply its plan, if it is to be and is not yet, and follow it to its end. Raises CommandError."""
        if self.progress["stage"] != "planned" or self.progress["problem"] or choice.only_plan:
            return
        if not choice.is_sure and not self._is_agreed(choice):
            return
        self.apply(choice)

    def apply(self, choice: Choice) -> None:
        """Apply its plan, once there is one, and follow it to its end unless nobody waits. Raises CommandError."""
        if self.progress["stage"] in MOVING:
            self.rest()
        self.progress = self._remote.post(f"{self._place}/apply", choice.body)
        if choice.waits:
            self.rest()

    def report(self) -> None:
        """Print where it is now; end with 1 if there are rows to correct."""
        self._session.go_on = ""
        rows = self._failed_rows() if not self._session.as_json else []
        count = self.progress["illegal"] + self.progress["conflicts"]
        parts = (
            plans.summary(self.progress),
            plans.failed_rows(rows, max(count, len(rows))),
            plans.next_steps(self.progress),
        )
        self._session.answer(self.progress, "\n".join(part for part in parts if part))
        if plans.has_failed(self.progress):
            raise typer.Exit(FAILED)

    def _is_agreed(self, choice: Choice) -> bool:
        text = plans.summary(self.progress)
        rows = plans.failed_rows(self._failed_rows(), self.progress["illegal"] + self.progress["conflicts"])
        sys.stderr.write(f"{text}\n{rows}\n" if rows else f"{text}\n")
        return typer.confirm(f"Create them ({choice.policy})?", err=True)

    def _failed_rows(self) -> list[dict[str, Any]]:
        """Return some of the rows that are wrong."""
        rows: list[dict[str, Any]] = []
        if not self.progress["failed"]:
            return rows
        for kind in _FAILED_KINDS:
            rows += self._remote.get(f"{self._place}/rows", kind=kind, limit=_SHOWN)["items"]
        return sorted(rows, key=lambda row: row["line"])[:_SHOWN]
