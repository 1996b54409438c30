"""What the plan says of each row: paged, downloaded, corrected, tried again."""

import csv
import io
from typing import Any

import pytest

from tests.rest.test_uploads import announce
from tests.support import batch
from tests.support.disk import wait_until
from tests.support.exports import read
from tests.support.rest import RestClient
from tests.support.server import Server
from tests.support.signer import Client

SECRET = "not-for-anybody"
FILE = f"""DeviceName,Nickname,DeviceSecret
pump-0001,,
pump 0002,,{SECRET}
pump-0003,,
there-1,another,
pump-0003,,
pump-0004,,
"""
KINDS = ("create", "unchanged", "created", "updated", "conflict", "taken", "illegal")


@pytest.fixture
def path(rest: RestClient, root: Client, product: str) -> str:
    """A batch of every kind of row, checked."""
    root.call("RegisterDevice", ProductKey=product, DeviceName="there-1", Nickname="mine1")
    body = {"product_key": product, "name": "devices.csv"}
    made = f"/v1/batches/{rest.ok('POST', '/v1/batches', json=body)['batch_id']}"
    rest.ok("PUT", f"{made}/file", content=FILE.encode())
    wait_until(lambda: rest.ok("GET", made)["stage"] == "planned", 60)
    return made


def ended(rest: RestClient, path: str) -> dict[str, Any]:
    wait_until(lambda: rest.ok("GET", path)["stage"] == "ended", 60)
    found: dict[str, Any] = rest.ok("GET", path)
    return found


def rows(rest: RestClient, path: str, kind: str, limit: int = 1) -> list[dict[str, Any]]:
    """Page through the rows of one kind."""
    found: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = rest.ok("GET", f"{path}/rows", params={"kind": kind, "limit": limit, **after})
        found += page["items"]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


def test_rows_are_listed_by_kind(rest: RestClient, path: str) -> None:
    progress = rest.ok("GET", path)
    assert (progress["to_create"], progress["illegal"], progress["conflicts"]) == (3, 2, 1)
    assert [(row["line"], row["name"]) for row in rows(rest, path, "create")] == [
        (2, "pump-0001"),
        (4, "pump-0003"),
        (7, "pump-0004"),
    ]
    wrong = {(row["line"], row["column"]): row for row in rows(rest, path, "illegal")}
    assert {line for line, _ in wrong} == {3, 6}
    assert wrong[3, "DeviceName"]["value"] == "pump 0002"
    (conflict,) = rows(rest, path, "conflict")
    assert (conflict["line"], conflict["column"]) == (5, "Nickname")
    for row in (*wrong.values(), conflict):
        assert row["problem"]
        assert row["fix"]
    for kind in ("unchanged", "created", "updated", "taken"):
        assert rows(rest, path, kind) == []


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx", "parquet"])
def test_the_plan_is_downloaded(rest: RestClient, path: str, form: str) -> None:
    answer = rest.send("GET", f"{path}/plan", params={"format": form})
    found = read(form, answer.content)
    assert sorted({(int(row["Line"]), row["Kind"]) for row in found}) == [
        (2, "create"),
        (3, "illegal"),
        (4, "create"),
        (5, "conflict"),
        (6, "illegal"),
        (7, "create"),
    ]
    assert SECRET.encode() not in answer.content


def test_failed_rows_are_corrected_and_sent_again(rest: RestClient, path: str) -> None:
    rest.ok("POST", f"{path}/apply", json={"policy": "skip-invalid"})
    assert ended(rest, path)["state"] == "CREATE_FAILED"
    failed = rest.send("GET", f"{path}/failed")
    assert failed.headers["content-disposition"].endswith('-failed.csv"')
    found = list(csv.DictReader(io.StringIO(failed.text)))
    assert sorted(int(row["Line"]) for row in found) == [3, 5, 6]
    assert all(row["Problem"] for row in found)
    # In the form of the input, with what it said: its secret too.
    assert SECRET in failed.text
    right = {"3": "pump-0002", "5": "pump-0005", "6": "pump-0006"}
    text = io.StringIO()
    writer = csv.DictWriter(text, found[0])
    writer.writeheader()
    writer.writerows(row | {"DeviceName": right[row["Line"]], "Nickname": ""} for row in found)
    query = {"name": "right.csv", "policy": "skip-invalid"}
    rest.ok("PUT", f"{path}/corrections", content=text.getvalue().encode(), params=query)
    done = ended(rest, path)
    assert (done["state"], done["created"], done["failed"]) == ("CREATE_SUCCESS", 6, 0)


def test_corrections_are_sent_piece_by_piece(rest: RestClient, path: str) -> None:
    rest.ok("POST", f"{path}/apply", json={"policy": "skip-invalid"})
    ended(rest, path)
    place = f"{path}/corrections"
    rest.refused(409, "nameplate.upload.NotAnnounced", "PATCH", place, content=b"x", headers=at(0))
    right = b"Line,DeviceName\n3,pump-0002\n5,pump-0005\n6,pump-0006\n"
    body = {"name": "right.csv", "size": len(right), "apply": {"policy": "skip-invalid"}}
    for _ in range(2):
        # Announced a second time with the same key, what has arrived is still there.
        assert rest.ok("POST", place, json=body, headers={"idempotency-key": path})["state"] == "CREATE_FAILED"
        received = int(rest.send("HEAD", place).headers["upload-offset"])
        sent = rest.send("PATCH", place, content=right[received : received + 30], headers=at(received))
        assert (sent.status_code, sent.headers["upload-length"]) == (204, str(len(right)))
    assert sent.headers["upload-complete"] == "?1"
    done = ended(rest, path)
    assert (done["state"], done["created"], done["failed"]) == ("CREATE_SUCCESS", 6, 0)
    rest.refused(409, "nameplate.upload.IsComplete", "PATCH", place, content=b"x", headers=at(len(right)))


def test_corrections_that_are_announced_anew_begin_anew(rest: RestClient, path: str) -> None:
    place = f"{path}/corrections"
    for name in ("one.csv", "two.csv"):
        rest.ok("POST", place, json={"name": name}, headers={"idempotency-key": path + name})
        assert rest.send("HEAD", place).headers["upload-offset"] == "0"
        assert rest.send("PATCH", place, content=b"Line,", headers=at(0)).status_code == 204
    rest.refused(409, "nameplate.upload.OffsetDiffers", "PATCH", place, content=b"x", headers=at(0))


def at(offset: int) -> dict[str, str]:
    return {"content-type": "application/offset+octet-stream", "upload-offset": str(offset)}


def test_rows_whose_names_have_become_free_are_tried_again(rest: RestClient, root: Client, product: str) -> None:
    root.call("RegisterDevice", ProductKey=product, DeviceName="pump-1", Nickname="mine1")
    body = {"product_key": product, "name": "devices.csv", "apply": {"policy": "skip-invalid"}}
    path = f"/v1/batches/{rest.ok('POST', '/v1/batches', json=body)['batch_id']}"
    rest.ok("PUT", f"{path}/file", content=b"DeviceName,Nickname\npump-1,other\npump-2,\n")
    assert (ended(rest, path)["state"], rest.ok("GET", path)["conflicts"]) == ("CREATE_FAILED", 1)
    root.call("DeleteDevice", ProductKey=product, DeviceName="pump-1")
    rest.ok("POST", f"{path}/retry", json={"policy": "skip-invalid"}, headers={"idempotency-key": path})
    wait_until(lambda: rest.ok("GET", path)["state"] == "CREATE_SUCCESS", 30)
    again = rest.ok("POST", f"{path}/retry", json={"policy": "skip-invalid"}, headers={"idempotency-key": path})
    assert (again["created"], again["failed"]) == (2, 0)
    rest.refused(409, "nameplate.batch.HasEnded", "POST", f"{path}/retry")


def test_what_cannot_be_applied_is_refused_with_why(rest: RestClient, path: str) -> None:
    found = rest.refused(
        409, "nameplate.batch.CannotBeApplied", "POST", f"{path}/apply", json={"policy": "all-or-nothing"}
    )
    assert "2 of its rows are illegal" in found["detail"]
    assert rest.refused(422, "InvalidBody", "POST", f"{path}/apply", json={"policy": "best"})["where"] == "policy"


def test_a_batch_is_cancelled_once(rest: RestClient, path: str) -> None:
    for _ in range(2):
        progress = rest.ok("POST", f"{path}/cancel")
        assert (progress["stage"], progress["state"], progress["created"]) == ("cancelled", "CHECK_FAILED", 0)
    rest.refused(409, "nameplate.batch.HasEnded", "POST", f"{path}/apply", json={"policy": "skip-invalid"})


def test_batches_are_paged_newest_first(stranger: RestClient) -> None:
    made = [int(announce(stranger, 10).rsplit("/", 1)[1]) for _ in range(5)]
    seen: list[int] = []
    after = 0
    while after is not None:
        page = stranger.ok("GET", "/v1/batches", params={"limit": 2, "after": after})
        seen += [item["batch_id"] for item in page["items"]]
        after = page["next"]
    assert seen[:5] == made[::-1]
    assert stranger.ok("GET", "/v1/batches", params={"state": "CREATE"})["items"] == []


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("GET", ""),
        ("GET", "/plan"),
        ("GET", "/failed"),
        ("GET", "/rows?kind=create"),
        ("GET", "/rows?kind=illegal"),
        ("POST", "/apply"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("PUT", "/corrections"),
        ("POST", "/corrections"),
    ],
)
def test_another_accounts_batch_is_not_there(rest: RestClient, stranger: RestClient, method: str, action: str) -> None:
    path = announce(rest, 10)
    bodies = {
        "POST /apply": {"policy": "skip-invalid"},
        "POST /retry": {"policy": "skip-invalid"},
        "POST /corrections": {"name": "a.csv"},
    }
    more: dict[str, Any] = {"json": bodies.get(f"{method} {action}")}
    answers = []
    for there in (path, "/v1/batches/999999999999"):
        found = stranger.refused(404, "iot.device.DeviceApplyIsNotFound", method, f"{there}{action}", **more)
        del found["request_id"]
        answers.append(found)
    assert answers[0] == answers[1]
    assert rest.ok("GET", path)["stage"] == "uploading"


def test_a_batch_of_the_signed_api_is_none_of_a_file(server: Server, rest: RestClient, product: str) -> None:
    number = batch.register(server.root, product, ["pump-1"])
    rest.refused(409, "nameplate.batch.NotOfAFile", "GET", f"/v1/batches/{number}")


def test_a_file_that_cannot_be_read_says_why(rest: RestClient) -> None:
    path = announce(rest, None)
    rest.ok("PUT", f"{path}/file", content=b"Colour\nred\n")
    wait_until(lambda: rest.ok("GET", path)["stage"] == "ended", 60)
    found = rest.ok("GET", path)
    assert found["state"] == "CHECK_FAILED"
    assert "DeviceName" in found["problem"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx", "parquet"])
def test_a_template_is_downloaded(rest: RestClient, form: str) -> None:
    answer = rest.send("GET", f"/v1/templates/{form}")
    assert answer.headers["content-disposition"] == f'attachment; filename="devices.{form}"'
    assert b"DeviceName" in answer.content or form == "xlsx"
    rest.refused(422, "InvalidParameter", "GET", "/v1/templates/ods")
