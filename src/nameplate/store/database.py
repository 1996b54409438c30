"""What a database offers to the rest of the store, whichever engine it runs on.

What differs between engines lives in `engines` and nowhere else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BindParameter, Connection, Engine, Executable, bindparam, select
from sqlalchemy.sql.compiler import SQLCompiler

from nameplate.errors import PRODUCT_NOT_FOUND
from nameplate.store.schema import device, product

_Made = TypeVar("_Made")

_ATTEMPTS = 5

FEW = 64
"""If fewer than a 64th as many names as are looked for lie between the first and the last, those few are read.

Serial numbers come in runs: most often there is nothing between them, which one look into the index tells.
"""

# On an engine with one writer nothing needs a lock, and none is written.
_HOLD = (
    select(product.c.id)
    .where(product.c.id == bindparam("product_id"), product.c.deleted_at.is_(None))
    .with_for_update(read=True, key_share=True)
)
_CREATED = select(device.c.id).where(device.c.id.between(bindparam("first"), bindparam("last")))


class UnusableDatabaseError(Exception):
    """The URL names a database that Nameplate does not run on, or that cannot be opened."""


class ConflictError(Exception):
    """Another transaction got in the way. Nothing was changed; the same may be done again at once."""


@dataclass(frozen=True, slots=True)
class NewDevices:
    """Devices to create: the rows of one part, with ids from `first_id` up.

    `names`, `nicknames` and `sns` are JSON arrays, a text or null for each name; `secrets` are imported ones, sealed.
    With `ids` some of a part's rows are left out, and these are the ids of the others.
    """

    first_id: int
    product_id: int
    rows: int
    names: str
    nicknames: str | None = None
    sns: str | None = None
    secrets: Sequence[bytes | None] | None = None
    ids: Sequence[int] | None = None

    @property
    def numbers(self) -> Sequence[int]:
        """The id of each row."""
        return range(self.first_id, self.first_id + self.rows) if self.ids is None else self.ids

    @property
    def is_plain(self) -> bool:
        """Whether there are only names and nicknames, and none left out."""
        return self.secrets is None and self.sns is None and self.ids is None


class Existing(NamedTuple):
    """What a device that exists would have to be equal to."""

    id: int
    name: str
    nickname: str | None
    sn: str | None
    secret: bytes | None
    generation: int


class Bulk(ABC):
    """Rows by the ten thousand, each engine's fastest way."""

    most_parts: int
    """How many parts a worker may create in one transaction."""

    brief_seconds: float
    """How long it may take to create several parts together that are quick one by one."""

    def taken(self, product_id: int, *lists: Sequence[str]) -> set[str]:
        """Return which well-formed names the product has a device for; each list has one at least.

        Each is a run of its own; the names of those that are none are looked for.
        """
        taken: set[str] = set()
        scattered: list[list[str]] = []
        for ordered in map(sorted, lists):
            few = len(ordered) // FEW
            between = self._between(product_id, ordered[0], ordered[-1], few + 1)
            if len(between) > few:
                scattered.append(ordered)
            elif between:
                taken |= between.intersection(ordered)
        if scattered:
            taken |= self._taken(product_id, scattered)
        return taken

    def has_none_between(self, product_id: int, names: Sequence[str]) -> bool:
        """Whether the product has no device from the first to the last, in their order, of some well-formed names."""
        ordered = sorted(names)
        return not self._between(product_id, ordered[0], ordered[-1], 1)

    def existing(self, product_id: int, names: Sequence[str]) -> dict[str, Existing]:
        """Return the product's devices of some well-formed names."""
        taken = sorted(self.taken(product_id, names)) if names else []
        return {found.name: found for found in self._named(product_id, taken)} if taken else {}

    def hold_products(self, connection: Connection, ids: Collection[int]) -> None:
        """Keep the products of new devices and batches from being deleted until the transaction ends.

        Raises PRODUCT_NOT_FOUND if one has been deleted.
        """
        for product_id in sorted(set(ids)):
            if connection.execute(_HOLD, {"product_id": product_id}).first() is None:
                raise PRODUCT_NOT_FOUND()

    @abstractmethod
    def create_devices(self, connection: Connection, parts: Sequence[NewDevices], now: int) -> list[list[int]]:
        """Create the devices of every part, in the order of their names.

        Returns, for each part, the ordinals of names that were taken; their ids stay unused.
        """

    @abstractmethod
    def _between(self, product_id: int, first: str, last: str, most: int) -> set[str]:
        """Return the names of a product's devices from the first to the last, but no more than `most`."""

    @abstractmethod
    def _taken(self, product_id: int, lists: Sequence[Sequence[str]]) -> set[str]:
        """Return which names of some lists, each in order, are taken, by looking them up in the index."""

    @abstractmethod
    def _named(self, product_id: int, ordered: Sequence[str]) -> list[Existing]:
        """Return the devices of names that are taken."""


def missing(connection: Connection, part: NewDevices) -> list[int]:
    """Return the ordinals of a part's devices that were not created."""
    numbers = part.numbers
    created = set(connection.execute(_CREATED, {"first": numbers[0], "last": numbers[-1]}).scalars())
    return [ordinal for ordinal, number in enumerate(numbers) if number not in created]


class Compiled(NamedTuple):
    """A statement as the driver takes it, and what is bound to it."""

    sql: str
    binds: Mapping[str, BindParameter[Any]]
    names: Sequence[str]
    fixed: Mapping[str, object]
    """What the statement itself fixes (a LIMIT, a state); it is bound beside what the caller gives."""


class PreparedRead(ABC):
    """A SELECT compiled once and run on the driver: a tenth of what it costs through SQLAlchemy."""

    def __init__(self, engine: Engine, statement: Executable) -> None:
        self.engine = engine
        self._statement = statement

    @cached_property
    def compiled(self) -> Compiled:
        """The statement, compiled when it is first needed: all of them would be a quarter of a start."""
        compiled = self._statement.compile(dialect=self.engine.dialect)  # type: ignore[attr-defined]  # Executable's stubs
        assert isinstance(compiled, SQLCompiler)
        assert not compiled.post_compile_params, "an IN is written out only when it runs; write OR"
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return Compiled(compiled.string, compiled.binds, list(compiled.positiontup or compiled.params), fixed)

    @abstractmethod
    def rows(self, **values: object) -> Sequence[tuple[Any, ...]]:
        """Return every row."""

    @abstractmethod
    def row(self, **values: object) -> tuple[Any, ...] | None:
        """Return the first row, or None."""

    def _bind(self, values: Mapping[str, object]) -> list[object]:
        fixed = self.compiled.fixed
        return [values[name] if name in values else fixed[name] for name in self.compiled.names]


class Database(ABC):
    """An engine for transactions and, per thread, a driver connection for prepared reads.

    Every method raises DATABASE_UNAVAILABLE while the database cannot be reached.
    """

    engine: Engine
    bulk: Bulk
    location: str
    """Where it is, for people to read; without a password."""

    is_embedded: bool
    """Whether it is this process that reads its file: such reads are short enough for the event loop."""

    @abstractmethod
    def transaction(self, *, durable: bool = True, seen_early: bool = False) -> AbstractContextManager[Connection]:
        """Hold a write transaction: committed at the end, rolled back if anything is raised.

        One that is not `durable` may be gone after a crash of the database, but not in part. A durable one ends when
        the disk has it; with `seen_early` others may see it a moment before that, and need not wait so long to write
        themselves. Raises ConflictError.
        """

    @abstractmethod
    def flush(self) -> None:
        """Wait until the disk has what others' durable transactions have shown so far."""

    @abstractmethod
    def prepare(self, statement: Executable) -> PreparedRead:
        """Return a SELECT that is compiled once, to be run often."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection.

        No thread may be using one.
        """


def retried(work: Callable[[], _Made]) -> _Made:
    """Do a whole piece of work again when another transaction has got in its way.

    Raises ConflictError when that goes on.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except ConflictError:
            continue
    return work()
