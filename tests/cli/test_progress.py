from typing import Any

import pytest

from nameplate.cli.events import read_events
from nameplate.cli.measures import Measure, Pace, measure
from nameplate.cli.plain import duration, plain, size
from nameplate.cli.plans import failed_rows, next_steps, summary
from nameplate.cli.problems import read_problem
from nameplate.cli.progress import Lines

BATCH: dict[str, Any] = {
    "batch_id": 42,
    "product_key": "a1B2c3D4e5F",
    "state": "CHECK",
    "stage": "checking",
    "policy": None,
    "file": {"name": "serials.csv", "size": 3 * 1024 * 1024, "received": 1024 * 1024},
    "rows_read": 500,
    "total": 1_000_000,
    "illegal": 0,
    "unchanged": 0,
    "conflicts": 0,
    "to_create": 1_000_000,
    "checked": 250_000,
    "created": 0,
    "updated": 0,
    "failed": 0,
    "rows_per_second": None,
    "seconds_left": None,
    "problem": None,
}


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        ({"stage": "uploading"}, "uploading: 1.0 MiB of 3.0 MiB"),
        ({"stage": "reading", "rows_per_second": 1234.5}, "reading: 500 rows, 1,234 per second"),
        (
            {"rows_per_second": 100_000.0, "seconds_left": 7.5},
            "checking: 250,000 of 1,000,000 rows, 100,000 per second, 8 s left",
        ),
        ({"stage": "creating", "created": 3, "updated": 1, "to_create": 6}, "creating: 4 of 10 rows"),
        ({"stage": "undoing", "created": 3}, "undoing: 3 rows"),
    ],
)
def test_a_line_says_what_is_done_and_how_far_it_is(progress: dict[str, Any], line: str) -> None:
    found = measure(BATCH | progress)
    assert f"{found.what}: {found}" == line


def test_lines_come_when_something_else_is_done_and_every_few_seconds() -> None:
    now, written = 0.0, list[str]()
    lines = Lines(written.append, lambda: now)
    for moment, what in ((0, "a"), (1, "a"), (4.9, "a"), (5, "a"), (6, "b"), (7, "b"), (11, "b"), (12, "b"), (13, "c")):
        now = float(moment)
        lines.show(Measure(what, moment.__floor__(), None))
    assert written == ["a: 0 rows\n", "a: 5 rows\n", "b: 6 rows\n", "b: 11 rows\n", "b: 12 rows\n", "c: 13 rows\n"]


def test_the_pace_of_an_upload_does_not_count_what_was_there_before() -> None:
    now = 0.0
    pace = Pace(10_000, lambda: now)
    assert pace.at(6_000).rate is None
    now = 2.0
    found = pace.at(8_000)
    assert (found.rate, found.left) == (1_000, 2)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536 * 1024**2, "1.5 GiB")]
)
def test_sizes_are_written_for_people(count: int, text: str) -> None:
    assert size(count) == text


def test_what_a_cell_holds_cannot_command_a_terminal() -> None:
    row = {
        "line": 7,
        "column": "DeviceName",
        "value": "a\x1b[2J\u200b\u202eb",
        "problem": "odd",
        "kind": "illegal",
        "fix": "",
    }
    text = failed_rows([row], 1)
    assert text == '  line 7, DeviceName "a<U+001B>[2J<U+200B><U+202E>b": odd.'
    assert plain("灯-1") == "灯-1"


def test_a_plan_is_counted_and_says_what_to_do_next() -> None:
    planned = BATCH | {
        "stage": "planned",
        "state": "CHECK_FAILED",
        "total": 12,
        "to_create": 9,
        "illegal": 3,
        "failed": 3,
    }
    assert summary(planned) == (
        "Batch 42, serials.csv into a1B2c3D4e5F: planned (CHECK_FAILED)\n"
        "  12 rows\n"
        "              9 to create\n"
        "              3 illegal"
    )
    assert "nameplate failed 42 -o FILE" in next_steps(planned)
    assert "nameplate apply 42" in next_steps(planned)


def test_a_file_that_could_not_be_read_says_why() -> None:
    unreadable = BATCH | {"stage": "ended", "state": "CHECK_FAILED", "problem": "Line 3: an open quote."}
    assert summary(unreadable).endswith("Line 3: an open quote.")
    assert not next_steps(unreadable)


def test_events_are_read_whatever_else_is_in_the_feed() -> None:
    lines = [
        ": hello",
        "",
        "event: progress",
        "id: 1",
        'data: {"a":',
        "data: 1}",
        "",
        ": nothing new",
        "",
        'data:{"a":2}',
        "",
    ]
    assert list(read_events(lines)) == [{"a": 1}, {"a": 2}]


def test_a_problem_is_shown_with_its_place_its_remedy_and_its_request() -> None:
    body = (
        b'{"type":"x","title":"A parameter is not valid","status":422,"detail":"limit is 0.","code":"InvalidParameter",'
        b'"where":"limit","fix":"Send 1 to 1000.","request_id":"R1"}'
    )
    assert str(read_problem(422, body)) == (
        "A parameter is not valid. limit is 0. Where: limit. Send 1 to 1000. (InvalidParameter, HTTP 422, request R1)"
    )


def test_what_a_proxy_answers_is_told_too() -> None:
    assert str(read_problem(413, b"<html>Too large")) == (
        "The server, or a proxy before it, answered 413 without a reason. (HTTP 413)"
    )
