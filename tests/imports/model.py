"""What should be true of batches that come from files: a small model, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from nameplate.domain.file_batch import Application, Policy

Row = tuple[str, str]
"""A name and a nickname, empty if the file says none."""

FAILED: Final = ("illegal", "conflict", "taken")


@dataclass
class Line:
    """One row, and what has become of it."""

    number: int
    name: str
    nickname: str
    status: str
    part: int


@dataclass
class Batch:
    """A file's rows, and where its batch stands."""

    rows: Sequence[Row]
    state: str = "CHECK"
    step: str = "read"
    application: Application | None = None
    lines: list[Line] = field(default_factory=list)
    is_undone: bool = False
    is_cancelled: bool = False
    parts: int = 0
    checked: set[int] = field(default_factory=set)
    """Parts that were checked, or are to be, since they were last applied."""

    def add(self, rows: Sequence[Row], numbers: Sequence[int]) -> list[Line]:
        """Make a part of some rows; of a repeated name the lowest line counts."""
        self.parts += 1
        seen: set[str] = set()
        lines = []
        for number, (name, nickname) in sorted(zip(numbers, rows, strict=True)):
            is_legal = len(name) >= 4 and name not in seen
            seen.add(name)
            lines.append(Line(number, name, nickname, "waiting" if is_legal else "illegal", self.parts))
        self.checked.add(self.parts)
        return lines

    def has_work(self, *, is_replacing: bool) -> bool:
        """Whether there is a part for a creation to look at."""
        kept = {line.part for line in self.lines if line.status != "illegal"}
        failed = {line.part for line in self.lines if line.status in ("conflict", "taken")}
        return bool(self.checked & kept or (is_replacing and failed))

    def count(self, *statuses: str) -> int:
        return sum(line.status in statuses for line in self.lines)

    @property
    def failed(self) -> int:
        """How many rows count as failed in the state that the batch has."""
        if self.is_cancelled:
            return len(self.lines) - self.count("unchanged", "created", "updated")
        if self.is_undone:
            return self.count("create", "taken")
        if self.state.startswith("CREATE") and self.application and self.application.policy is Policy.SKIP_EXISTING:
            return 0
        return self.count(*FAILED)

    @property
    def failed_lines(self) -> list[int]:
        return [line.number for line in self.lines if line.status in FAILED]


class Model:
    """The devices of one product, by name with their nicknames, and its batches."""

    def __init__(self) -> None:
        self.devices: dict[str, str] = {}
        self.batches: dict[int, Batch] = {}

    def read(self) -> None:
        for batch in self.batches.values():
            if batch.step == "read":
                batch.lines = batch.add(batch.rows, range(2, len(batch.rows) + 2))
                batch.step = "check"
                self._check_if_idle(batch)

    def work(self) -> None:
        """Do the steps of all batches, in their order, until none is left."""
        while waiting := [
            batch for _, batch in sorted(self.batches.items()) if batch.step in ("check", "create", "undo")
        ]:
            for batch in waiting:
                {"check": self._check, "create": self._create, "undo": self._undo}[batch.step](batch)

    def apply(self, batch: Batch, application: Application) -> str | None:
        """Start to create, or return why not."""
        if batch.state in ("CREATE", "CREATE_SUCCESS") and batch.application == application:
            return None
        if batch.state in ("CHECK", "CREATE"):
            return "IsBusy"
        if batch.is_cancelled or batch.state.startswith("CREATE"):
            return "HasEnded"
        if not self._allows(batch, application):
            return "CannotBeApplied"
        self._start(batch, application)
        return None

    def cancel(self, batch: Batch) -> str | None:
        if batch.is_cancelled:
            return None
        if batch.state == "CREATE_SUCCESS":
            return "HasEnded"
        batch.is_cancelled = True
        if batch.state == "CREATE" and batch.application and batch.application.policy is Policy.ALL_OR_NOTHING:
            batch.step = "undo"
            return None
        batch.step = ""
        batch.state = {"CHECK": "CHECK_FAILED", "CHECK_SUCCESS": "CHECK_FAILED", "CREATE": "CREATE_FAILED"}.get(
            batch.state, batch.state
        )
        return None

    def reopen(self, batch: Batch, fixes: dict[int, Row] | None) -> str | None:
        """Look at failed rows once more, or at corrected ones."""
        if batch.state in ("CHECK", "CREATE"):
            return "IsBusy"
        if batch.is_cancelled or batch.state not in ("CHECK_FAILED", "CREATE_FAILED"):
            return "HasEnded"
        again = ("create", "conflict", "taken") if batch.is_undone else ("conflict", "taken")
        if fixes is None and not batch.count(*again):
            return "NothingToRetry"
        if fixes is not None:
            fixed = {line.number: line for line in batch.add(list(fixes.values()), list(fixes))}
            batch.lines = [fixed.get(line.number, line) for line in batch.lines]
        if fixes is None or batch.is_undone:
            opened = {line.part for line in batch.lines if line.status in again}
            for line in batch.lines:
                # Whole parts are checked: what is still to be created beside a failed row is looked at anew too.
                if line.status in again or (line.status == "create" and line.part in opened):
                    line.status = "waiting"
            batch.checked |= opened
        batch.state, batch.step, batch.application, batch.is_undone = "CHECK", "check", None, False
        self._check_if_idle(batch)
        return None

    def _check(self, batch: Batch) -> None:
        for line in batch.lines:
            if line.status == "waiting":
                there = self.devices.get(line.name)
                same = there is not None and line.nickname in ("", there)
                line.status = "create" if there is None else "unchanged" if same else "conflict"
        batch.state = "CHECK_FAILED" if batch.count(*FAILED) else "CHECK_SUCCESS"
        batch.step = ""
        if batch.application is not None and self._allows(batch, batch.application):
            self._start(batch, batch.application)

    def _create(self, batch: Batch) -> None:
        assert batch.application is not None
        new = [line for line in batch.lines if line.status == "create"]
        conflicts = [line for line in batch.lines if line.status == "conflict" and batch.application.replaces]
        new += [line for line in conflicts if line.name not in self.devices]
        if batch.application.policy is Policy.ALL_OR_NOTHING and any(line.name in self.devices for line in new):
            batch.step = "undo"
            return
        for line in new:
            line.status = "taken" if line.name in self.devices else "created"
            self.devices.setdefault(line.name, line.nickname)
        for line in conflicts:
            if line.status == "conflict":
                line.status = "updated"
                self.devices[line.name] = line.nickname
        self._end(batch)

    def _undo(self, batch: Batch) -> None:
        for line in batch.lines:
            if line.status == "create" and line.name in self.devices:
                line.status = "taken"
        batch.state, batch.step, batch.is_undone = "CREATE_FAILED", "", True

    def _check_if_idle(self, batch: Batch) -> None:
        """A batch of which no row is to be checked has been."""
        if not batch.count("waiting"):
            self._check(batch)

    def _start(self, batch: Batch, application: Application) -> None:
        batch.state, batch.step, batch.application = "CREATE", "create", application
        if not batch.has_work(is_replacing=application.replaces):
            self._end(batch)
        batch.checked.clear()

    def _end(self, batch: Batch) -> None:
        batch.state, batch.step = "CREATE_SUCCESS", ""
        if batch.failed:
            batch.state = "CREATE_FAILED"

    def _allows(self, batch: Batch, application: Application) -> bool:
        policy = application.policy
        if policy is Policy.ALL_OR_NOTHING and (application.replaces or batch.count("created", "updated")):
            return False
        if batch.count("illegal") and policy is not Policy.SKIP_INVALID:
            return False
        return not (batch.count("conflict") and policy is Policy.ALL_OR_NOTHING)
