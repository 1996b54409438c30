"""The plan of a file: what becomes of each row, to be paged through."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, select

from nameplate.domain.batch import Step
from nameplate.domain.device import first_id
from nameplate.domain.file_batch import Outcome
from nameplate.store.database import Database
from nameplate.store.packed import unpack
from nameplate.store.schema import device, part, part_names

_PARTS_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One legal row of a file.

    Its line is not known any more once the whole part that it was in was created.
    """

    ordinal: int
    line: int | None
    name: str
    outcome: Outcome


class Plans:
    """Rows by what becomes of them."""

    def __init__(self, database: Database) -> None:
        columns = (part.c.first, part.c.rows, part.c.step, part.c.is_done, part.c.outcomes)
        here = (part.c.batch_id == bindparam("batch_id"), part.c.first + part.c.rows > bindparam("after"))
        parts = select(*columns).where(*here).order_by(part.c.first).limit(bindparam("size"))
        self._parts = database.prepare(parts)
        names = select(part_names.c.names, part_names.c.lines)
        this = (part_names.c.batch_id == bindparam("batch_id"), part_names.c.first == bindparam("first"))
        self._names = database.prepare(names.where(*this))
        between = device.c.id.between(bindparam("first"), bindparam("last"))
        self._devices = database.prepare(select(device.c.id, device.c.name).where(between).order_by(device.c.id))

    def rows(self, batch_id: int, outcome: Outcome, after: int, size: int) -> list[PlanRow]:
        """Return up to `size` rows of one outcome with ordinals above `after`, in order."""
        found: list[PlanRow] = []
        start = after + 1
        while len(found) < size:
            parts = self._parts.rows(batch_id=batch_id, after=start, size=_PARTS_AT_ONCE)
            if not parts:
                break
            for first, rows, step, is_done, outcomes in parts:
                wanted = list(_places(outcome, outcomes, rows, is_created=step == Step.CREATE and bool(is_done)))
                wanted = [place for place in wanted if first + place > after][: size - len(found)]
                found += self._read(batch_id, first, wanted, outcome)
                start = first + rows
        return found

    def _read(self, batch_id: int, first: int, places: list[int], outcome: Outcome) -> Iterator[PlanRow]:
        if not places:
            return
        row = self._names.row(batch_id=batch_id, first=first)
        if row is None:
            yield from self._created(batch_id, first, places, outcome)
            return
        names, lines = orjson.loads(unpack(row[0])), memoryview(row[1]).cast("I")
        for place in places:
            yield PlanRow(first + place, lines[place], names[place], outcome)

    def _created(self, batch_id: int, first: int, places: list[int], outcome: Outcome) -> Iterator[PlanRow]:
        ids = first_id(batch_id)
        low, high = ids + first + places[0], ids + first + places[-1]
        rows: list[tuple[Any, ...]] = list(self._devices.rows(first=low, last=high))
        yield from (PlanRow(number - ids, None, name, outcome) for number, name in rows)


def _places(outcome: Outcome, outcomes: bytes | None, rows: int, *, is_created: bool) -> Iterator[int]:
    """Yield where in a part rows of an outcome are."""
    if outcomes is None:
        if outcome == (Outcome.CREATED if is_created else Outcome.CREATE):
            yield from range(rows)
        return
    place = outcomes.find(outcome)
    while place >= 0:
        yield place
        place = outcomes.find(outcome, place + 1)
