"""Webhooks: told in the form of Standard Webhooks, again until they are taken, and whatever happens meanwhile."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from nameplate.store.engines import open_database
from tests.support import batch
from tests.support.disk import wait_until
from tests.support.receiver import Receiver
from tests.support.rest import RestClient
from tests.support.server import Server


@pytest.fixture(scope="module")
def site(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose attempts nobody else's webhooks get in the way of."""
    settings = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    running = Server(tmp_path_factory.mktemp("webhooks") / "data", **settings).start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture
def client(site: Server) -> Iterator[RestClient]:
    with RestClient(site.root) as opened:
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening


@pytest.fixture
def webhook(client: RestClient, receiver: Receiver) -> Iterator[dict[str, Any]]:
    made = client.ok("POST", "/v1/webhooks", json={"url": receiver.url})
    receiver.secret = made["secret"]
    yield made
    client.ok("DELETE", f"/v1/webhooks/{made['id']}")


def register(site: Server, count: int = 3) -> int:
    product = site.root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")["ProductKey"]
    return batch.register(site.root, product, [f"pump-{number}" for number in range(count)])


def hurry(site: Server, *, held: bool = False) -> None:
    """Make everything that waits for its next attempt due; also what a server that is gone still holds."""
    url = site.settings.get("database_url", f"sqlite:///{site.data_dir}/nameplate.db")
    database = open_database(url)
    with database.transaction() as connection:
        free = "" if held else " AND owner IS NULL"
        connection.execute(text(f"UPDATE webhook_delivery SET due_at = 0 WHERE state = 'waiting'{free}"))  # noqa: S608 (ours)
    database.close()


def deliveries(client: RestClient, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.ok("GET", f"/v1/webhooks/{webhook['id']}/deliveries")["items"]
    return found


def test_a_webhook_is_told_of_each_state(
    site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any]
) -> None:
    number = register(site)
    told = sorted(receiver.wait(3), key=lambda message: message["timestamp"])
    assert {message["type"] for message in told} == {
        "batch.check_success",
        "batch.create",
        "batch.create_success",
    }
    for message in told:
        assert message["data"]["batch_id"] == number
        assert message["type"] == f"batch.{message['data']['state'].lower()}"
    ended = next(message["data"] for message in told if message["type"] == "batch.create_success")
    assert (ended["total"], ended["created"], ended["failed"]) == (3, 3, 0)
    wait_until(lambda: {one["state"] for one in deliveries(client, webhook)} == {"delivered"}, 10)
    for one in deliveries(client, webhook):
        assert (one["attempts"], one["status"], one["problem"], one["due_at"]) == (1, 204, None, None)


@pytest.mark.parametrize("status", [500, 429, 400, 302])
def test_whatever_is_not_taken_is_told_again(
    site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any], status: int
) -> None:
    receiver.statuses.extend([status] * 3)
    register(site)
    wait_until(lambda: len(receiver.attempts) >= 3, 20)
    wait_until(lambda: [one["status"] for one in deliveries(client, webhook)] == [status] * 3, 10)
    for one in deliveries(client, webhook):
        assert (one["state"], one["attempts"]) == ("waiting", 1)
        assert str(status) in one["problem"]
        assert 0 < one["due_at"] - one["attempted_at"] <= 5_000
    first = set(receiver.attempts)
    assert receiver.told == {}
    hurry(site)
    receiver.wait(3)
    assert set(receiver.told) == first


def test_pauses_grow_until_it_is_given_up(
    site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any]
) -> None:
    receiver.statuses.extend([503] * 100)
    product = site.root.call("CreateProduct", ProductName=f"p_{uuid4().hex[:20]}", NodeType="0")["ProductKey"]
    site.root.call("BatchRegisterDevice", ProductKey=product, Count="1")
    pauses = []
    for attempt in range(1, 8):
        wait_until(lambda attempt=attempt: [one["attempts"] for one in deliveries(client, webhook)] == [attempt], 20)  # type: ignore[misc]  # its type is the default's
        (one,) = deliveries(client, webhook)
        if one["state"] == "waiting":
            pauses.append((one["due_at"] - one["attempted_at"]) // 1000)
            hurry(site)
    assert pauses == [5, 300, 1800, 7200, 18000, 36000]
    assert one["state"] == "failed"
    hurry(site)
    time.sleep(1)
    assert len(receiver.attempts) == 7


def test_an_endpoint_that_asks_for_no_more_is_told_nothing_more(
    site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any]
) -> None:
    receiver.statuses.extend([410] * 3)
    register(site)
    path = f"/v1/webhooks/{webhook['id']}"
    wait_until(lambda: not client.ok("GET", path)["is_active"], 20)
    known = len(deliveries(client, webhook))
    register(site)
    assert {one["state"] for one in deliveries(client, webhook)} == {"failed"}
    assert len(deliveries(client, webhook)) == known
    client.refused(409, "WebhookDisabled", "POST", f"{path}/replay", json={"since": 0})


def test_everything_since_a_time_is_told_again(
    site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any]
) -> None:
    register(site)
    receiver.wait(3)
    wait_until(lambda: {one["state"] for one in deliveries(client, webhook)} == {"delivered"}, 10)
    first, since = dict(receiver.told), max(one["created_at"] for one in deliveries(client, webhook)) + 1
    time.sleep(0.01)
    register(site)
    receiver.wait(6)
    wait_until(lambda: {one["state"] for one in deliveries(client, webhook)} == {"delivered"}, 10)
    later = {key: message for key, message in receiver.told.items() if key not in first}
    receiver.told.clear()
    path, key = f"/v1/webhooks/{webhook['id']}/replay", {"idempotency-key": uuid4().hex}
    for _ in range(2):
        assert client.ok("POST", path, json={"since": since}, headers=key) == {"deliveries": 3}
    receiver.wait(3)
    time.sleep(1)
    assert receiver.told == later
    assert client.ok("POST", path, json={"since": 10**14}) == {"deliveries": 0}


def test_a_receiver_that_is_away_and_a_server_that_is_killed(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Whatever was true before the crash is told after it."""
    database = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    server = Server(tmp_path / "data", **database).start()
    receiver = Receiver()
    with receiver.listening(), RestClient(server.root) as client:
        receiver.secret = client.ok("POST", "/v1/webhooks", json={"url": receiver.url})["secret"]
    # Nobody listens now.
    register(server)
    server.kill()
    hurry(server, held=True)
    server.start()
    receiver.statuses.extend([500, 503])
    with receiver.listening():
        wait_until(lambda: len(receiver.attempts) >= 3, 20)
        server.kill()
        hurry(server, held=True)
        server.start()
        assert {message["type"] for message in receiver.wait(3)} == {
            "batch.check_success",
            "batch.create",
            "batch.create_success",
        }
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "host/x",
        "http://",
        "http:///x",
        "https://user:secret@host/",
        "https://host/#there",
        "https://host/ x",
        "https://host:99999/",
        "https://host:0/",
        "http://[::1",
        "https://host/\r\nx: y",
        "https://host/" + "x" * 2000,
        "",
    ],
)
def test_a_url_that_nothing_can_be_sent_to(client: RestClient, url: str) -> None:
    assert client.refused(422, "InvalidBody", "POST", "/v1/webhooks", json={"url": url})["where"] == "url"


def test_a_webhook_is_another_accounts_business(site: Server, client: RestClient, webhook: dict[str, Any]) -> None:
    with RestClient(site.key("admin", f"other-{uuid4().hex[:8]}")) as stranger:
        assert stranger.ok("GET", "/v1/webhooks") == {"items": []}
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries")):
            stranger.refused(404, "WebhookNotFound", method, f"/v1/webhooks/{webhook['id']}{path}")
    assert [found["id"] for found in client.ok("GET", "/v1/webhooks")["items"]] == [webhook["id"]]


def test_a_secret_is_shown_once_and_to_the_same_request_again(client: RestClient, receiver: Receiver) -> None:
    sent, key = {"url": receiver.url}, {"idempotency-key": uuid4().hex}
    made = client.ok("POST", "/v1/webhooks", json=sent, headers=key)
    assert made["secret"].startswith("whsec_")
    assert client.ok("POST", "/v1/webhooks", json=sent, headers=key) == made
    path = f"/v1/webhooks/{made['id']}"
    assert client.ok("GET", path) == {name: made[name] for name in ("id", "url", "is_active", "created_at")}
    assert "secret" not in client.ok("GET", "/v1/webhooks")["items"][0]
    client.ok("DELETE", path)
    client.refused(404, "WebhookNotFound", "GET", path)


def test_an_account_has_so_many_webhooks(site: Server) -> None:
    with RestClient(site.key("admin", f"many-{uuid4().hex[:8]}")) as client:
        for number in range(20):
            client.ok("POST", "/v1/webhooks", json={"url": f"http://127.0.0.1:9/{number}"})
        client.refused(422, "TooManyWebhooks", "POST", "/v1/webhooks", json={"url": "http://127.0.0.1:9/x"})


def test_deliveries_are_paged(site: Server, client: RestClient, receiver: Receiver, webhook: dict[str, Any]) -> None:
    register(site)
    register(site)
    receiver.wait(6)
    path, seen = f"/v1/webhooks/{webhook['id']}/deliveries", []
    after: dict[str, str] = {}
    while True:
        page = client.ok("GET", path, params={"limit": 4, **after})
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == sorted(receiver.told)
