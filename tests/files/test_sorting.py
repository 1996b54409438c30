import json
import os
import subprocess
import sys
import threading
from array import array
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.files.rows import Finding, Rows
from nameplate.files.sorting import Sorter
from nameplate.files.veil import Veil
from tests.support.lists import Row, objects, places

MEMORY = 64 << 20
CHILD = """
import os, re, sys
from array import array
from pathlib import Path
from nameplate.files.rows import Rows
from nameplate.files.sorting import Sorter

def high():
    return int(re.search("VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

before, count, last = high(), 0, ""
with Sorter(Path(sys.argv[1]), memory=100_000_000) as sorter:
    for first in range(1, 1_000_000, 20_000):
        names, secrets = os.urandom(160_000).hex(), os.urandom(320_000).hex()
        sorter.add(Rows(
            array("I", range(first, first + 20_000)),
            [names[at : at + 16] for at in range(0, 320_000, 16)],
            secrets=[secrets[at : at + 32] for at in range(0, 640_000, 32)],
        ))
    for rows, _ in sorter.ordered(10_000):
        assert last < rows.names[0] and rows.names == sorted(rows.names)
        last, count = rows.names[-1], count + len(rows)
print([count, high() - before])
"""


def test_rows_come_by_name_whole_and_in_parts_of_one_size(tmp_path: Path) -> None:
    names = [f"sn-{number:05d}" for number in range(25_000)]
    Random(1).shuffle(names)  # noqa: S311 (an order, no secret)
    rows = Rows(
        array("I", range(2, 25_002)),
        names,
        nicknames=[name if number % 3 else None for number, name in enumerate(names)],
        secrets=[name.upper() if number % 5 else None for number, name in enumerate(names)],
        sns=[None] * 25_000,
        tags=[{"room": name} if number % 2 else None for number, name in enumerate(names)],
    )
    parts, findings = _sorted(tmp_path, [rows.cut(0, 9_000), rows.cut(9_000, 25_000)], 10_000)
    assert [len(part) for part in parts] == [10_000, 10_000, 5_000]
    assert [row for part in parts for row in part] == sorted(objects(rows), key=lambda row: str(row["DeviceName"]))
    assert findings == []


def test_of_a_repeated_name_the_first_line_is_kept(tmp_path: Path) -> None:
    names = [f"sn-{number % 4_000:05d}" for number in range(10_000)]
    (first, *_), findings = _sorted(tmp_path, [Rows(array("I", range(2, 10_002)), names)], 4_000)
    assert [row["line"] for row in first] == list(range(2, 4_002))
    assert len(findings) == 6_000
    found = next(finding for finding in findings if finding.line == 9_000)
    assert (found.column, found.value) == ("DeviceName", "sn-00998")
    assert found.problem == "is repeated; it is first in line 1000"


def test_names_that_lost_their_zeros_are_found_among_padded_ones(tmp_path: Path) -> None:
    names = ["00001234", "00001235", "00001236", "1237", "12345678", "sn-1"]
    rows = Rows(array("I", range(2, 8)), names)
    (kept,), findings = _sorted(tmp_path, [rows], 10)
    assert places(findings) == [(5, "DeviceName")]
    assert findings[0].fix.startswith("Write 00001237,")
    assert "1237" not in [row["DeviceName"] for row in kept]
    (kept,), findings = _sorted(tmp_path, [rows], 10, is_correction=True)
    assert (len(kept), findings) == (6, [])


@pytest.mark.parametrize("names", [["0001", "00002", "123456"], ["00001234", "1235", "1236"], ["1234", "123456"]])
def test_names_of_other_lengths_are_left_alone_without_that_evidence(tmp_path: Path, names: list[str]) -> None:
    _, findings = _sorted(tmp_path, [Rows(array("I", range(2, len(names) + 2)), names)], 10)
    assert findings == []


def test_nothing_added_is_nothing_sorted(tmp_path: Path) -> None:
    assert _sorted(tmp_path, [Rows(array("I"), [])], 10) == ([], [])


def test_what_is_spilled_holds_no_secret_and_is_removed(tmp_path: Path) -> None:
    directory, secret = tmp_path / "spill", "f00dfacef00dfacef00dfacef00dface"
    with Sorter(directory, memory=MEMORY) as sorter:
        for first in range(0, 1_000_000, 50_000):
            lines = array("I", range(first, first + 50_000))
            sorter.add(Rows(lines, [os.urandom(8).hex() for _ in lines], secrets=[secret] * 50_000))
        ordered = sorter.ordered(10_000)
        assert next(ordered)[0].secrets == [secret] * 10_000
        spilled = list(directory.iterdir())
        assert sum(path.stat().st_size for path in spilled) > 10_000_000
        assert not any(secret.encode() in path.read_bytes() for path in spilled)
        assert directory.stat().st_mode & 0o777 == 0o700
        ordered.close()  # type: ignore[attr-defined] # a generator
    assert not directory.exists()


def test_a_sorter_that_is_given_up_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with Sorter(tmp_path / "spill", memory=MEMORY) as sorter:
        _add_random(sorter, 100_000)
    assert list(tmp_path.iterdir()) == []
    assert "sorting" not in [thread.name for thread in threading.enumerate()]


def test_what_stops_the_sorting_is_raised(tmp_path: Path) -> None:
    with Sorter(tmp_path / "spill", memory=1 << 20) as sorter, pytest.raises(duckdb.Error):
        _add_and_take(sorter, 1_000_000)


def _add_and_take(sorter: Sorter, count: int) -> None:
    _add_random(sorter, count)
    list(sorter.ordered(10_000))


def _add_random(sorter: Sorter, count: int) -> None:
    for first in range(1, count, 10_000):
        names = os.urandom(80_000).hex()
        lines = array("I", range(first, first + 10_000))
        sorter.add(Rows(lines, [names[at : at + 16] for at in range(0, 160_000, 16)]))


@given(st.lists(st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9\-_@.:]{1,32}", fullmatch=True)), max_size=50))
def test_a_veiled_secret_is_the_same_again_in_any_order(secrets: list[str | None]) -> None:
    veil, lines = Veil(), array("I", range(7, 7 + len(secrets)))
    covered = veil.cover(lines, secrets)
    assert veil.uncover(lines, covered) == secrets
    pieces = [covered[at : at + 32] for at in range(0, len(covered), 32)]
    assert veil.uncover(lines[::-1], pa.py_buffer(b"".join(reversed(pieces)))) == secrets[::-1]


def test_a_million_rows_are_sorted_within_the_memory_given(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "spill")], check=True, capture_output=True, text=True
    )
    count, grown = json.loads(done.stdout)
    assert count == 1_000_000
    assert 0 < grown < 230


def _sorted(
    tmp_path: Path, added: list[Rows], size: int, *, is_correction: bool = False
) -> tuple[list[list[Row]], list[Finding]]:
    with Sorter(tmp_path / "spill", memory=MEMORY, is_correction=is_correction) as sorter:
        for rows in added:
            sorter.add(rows)
        parts = [(objects(rows), findings) for rows, findings in sorter.ordered(size)]
    return [rows for rows, _ in parts], [finding for _, findings in parts for finding in findings]
