"""The process that turns an uploaded file into parts, started by `reader`, to which it tells them piece by piece.

What it is to read it is told on stdin; its pieces go to stdout. The same file is always told in the same pieces, so
whoever has kept some of them can have the file read again and leave those out. It has no database, and ends with the
process that has started it, however that ends.
"""

import gc
import os
import signal
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

import orjson

from nameplate.domain.device import first_id
from nameplate.domain.file_batch import MOST_ROWS
from nameplate.errors import UPLOAD_IS_DAMAGED
from nameplate.files.detection import detect
from nameplate.files.layout import Layout
from nameplate.files.reading import read
from nameplate.files.rows import Finding, Rows
from nameplate.files.sorting import Sorter
from nameplate.files.unreadable import Unreadable, UnreadableFileError
from nameplate.files.vault import DamagedVaultError, Vault
from nameplate.imports.reading_order import BLOBS, Order, read_order
from nameplate.imports.sealer import Sealer, SealerGoneError

_NO_ROWS: Final = Unreadable("The file has no rows.", "Send one with a row for each device.")
_NO_ROOM: Final = Unreadable("A batch has room for {most:,} rows, corrected ones counted again.", "Cut the file up.")
_BEAT_SECONDS: Final = 1.0
_NICENESS: Final = 5
_PARTS_AHEAD: Final = 2


class Teller:
    """Writes what is told: a header, a line of JSON, and the bytes that it announces."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()

    def tell(self, kind: str, blobs: Mapping[str, bytes] | None = None, **header: object) -> None:
        """Tell one thing."""
        sent = [blobs[name] for name in BLOBS if name in blobs] if blobs else []
        sizes = {name: len(blobs[name]) for name in BLOBS if name in blobs} if blobs else {}
        with self._lock:
            try:
                self._out.write(orjson.dumps({"kind": kind, "sizes": sizes, **header}) + b"\n")
                self._out.writelines(sent)
                self._out.flush()
            except BrokenPipeError:
                # Whoever wanted to know is gone, and with it any use of going on.
                os._exit(1)

    def beat(self) -> None:
        """Say that the reading goes on, until it has ended."""
        waiting = threading.Event()
        while not waiting.wait(_BEAT_SECONDS):
            self.tell("beat")


def tell(order: Order, lines: Container[int] | None, teller: Teller) -> None:
    """Read a file, tell everything that is in it, and how that ended."""
    try:
        _tell_file(order, lines, teller)
    except UnreadableFileError as error:
        teller.tell("unreadable", problem=str(error))
    except DamagedVaultError:
        teller.tell("unreadable", problem=UPLOAD_IS_DAMAGED.message)
    else:
        teller.tell("end")


def _tell_file(order: Order, lines: Container[int] | None, teller: Teller) -> None:
    vault = Vault(Path(order.path), bytes.fromhex(order.key), known=order.received)
    layout = _detect(order, vault)
    teller.tell("layout", layout=layout.as_json())
    with (
        TemporaryDirectory(dir=order.directory, prefix=".sorting-") as spill,
        Sorter(Path(spill), memory=order.memory, is_correction=order.is_correction) as sorter,
    ):
        rows_read = 0
        for rows, findings in read(vault.open, layout, lines=lines, is_correction=order.is_correction):
            rows_read += len(rows.names) + len({finding.line for finding in findings})
            _require_room(order, rows_read)
            sorter.add(rows)
            teller.tell("piece", rows_read=rows_read, findings=_written(findings))
        if not rows_read and not order.is_correction:
            raise _NO_ROWS()
        master_key = bytes.fromhex(order.master_key)
        with Sealer(master_key, order.secret_owner) as sealer:
            _tell_parts(order, sorter.ordered(order.rows_per_part), rows_read, _Parts(order, sealer, teller))


def _detect(order: Order, vault: Vault) -> Layout:
    if order.columns is not None and "columns" not in order.layout:
        with suppress(UnreadableFileError):
            return detect(vault.open, order.name, Layout.from_json({**order.layout, "columns": order.columns}))
    return detect(vault.open, order.name, Layout.from_json(order.layout))


def _require_room(order: Order, rows: int) -> None:
    if order.first + rows > MOST_ROWS:
        raise _NO_ROOM(most=MOST_ROWS)


class _Parts:
    """Tells parts in order, each once its secrets are sealed."""

    def __init__(self, order: Order, sealer: Sealer, teller: Teller) -> None:
        self._ids = first_id(order.batch_id)
        self._sealer = sealer
        self._teller = teller
        self._waiting: deque[tuple[Rows, Callable[[], bytes] | None, dict[str, object]]] = deque()

    def add(self, rows: Rows, first: int, header: dict[str, object]) -> None:
        """Tell a part, some others later."""
        sealed = None
        if rows.secrets is not None and any(rows.secrets):
            sealed = self._sealer.seal(rows.secrets, self._ids + first)
        self._waiting.append((rows, sealed, header))
        if len(self._waiting) > _PARTS_AHEAD:
            self._tell()

    def finish(self) -> None:
        """Tell what is left."""
        while self._waiting:
            self._tell()

    def _tell(self) -> None:
        rows, sealed, header = self._waiting.popleft()
        blobs = _blobs(rows) | ({} if sealed is None else {"sealed": sealed()})
        self._teller.tell("piece", blobs if rows.names else None, **header)


def _tell_parts(order: Order, ordered: Iterator[tuple[Rows, list[Finding]]], rows_read: int, parts: _Parts) -> None:
    first = order.first
    later: list[Finding] = []
    for rows, findings in ordered:
        # When a finding comes depends on chance. Which part it is told with must not: on the names that it is between.
        last = rows.names[-1] if rows.names else ""
        known = sorted(later + findings, key=lambda one: (one.value or "", one.line))
        now = [one for one in known if (one.value or "") < last]
        later = known[len(now) :]
        header = {"rows_read": rows_read, "findings": _written(now), "first": first, "rows": len(rows.names)}
        parts.add(rows, first, header)
        first += len(rows.names)
    if later:
        parts.add(Rows(array("I"), []), first, {"rows_read": rows_read, "findings": _written(later)})
    parts.finish()


def _blobs(rows: Rows) -> dict[str, bytes]:
    lines = array("I", rows.lines)
    if sys.byteorder == "big":
        lines.byteswap()
    blobs = {"names": orjson.dumps(rows.names), "lines": lines.tobytes()}
    for name, column in (("nicknames", rows.nicknames), ("sns", rows.sns), ("tags", rows.tags)):
        if column is not None and any(column):
            blobs[name] = orjson.dumps(column)
    return blobs


def _written(findings: list[Finding]) -> list[list[object]]:
    """Write findings, each with its place among those of its line."""
    places: dict[int, count[int]] = {}
    return [
        [one.line, next(places.setdefault(one.line, count())), one.column, one.value, one.problem, one.fix]
        for one in findings
    ]


def main() -> None:
    """Read one file."""
    # Whoever has started this decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    # A list for each row and nothing that makes cycles: looking for them takes a tenth of the time.
    gc.disable()
    try:
        order, lines = read_order(sys.stdin.buffer)
    except EOFError:
        # The server ended while this was loaded.
        sys.exit(1)
    teller = Teller(sys.stdout.buffer)
    for target in (_end_with_parent, teller.beat):
        threading.Thread(target=target, daemon=True).start()
    try:
        tell(order, lines, teller)
    except SealerGoneError:
        # As if this had died: the file is read once more.
        os._exit(1)


def _end_with_parent() -> None:
    # Nothing comes any more: when this ends, so has the other side. (Past the buffer, which is locked meanwhile.)
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
