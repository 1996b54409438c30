"""The log: one line for each call, that names it and holds no secret."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from nameplate import logs
from nameplate.logs import LogFormat, LogLevel
from tests.support import batch
from tests.support.server import ROOT_SECRET, Server


@pytest.fixture
def json_server(data_dir: Path) -> Iterator[Server]:
    running = Server(data_dir, log_format="json").start()
    yield running
    assert running.stop() == 0


def lines(server: Server) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in server.log.splitlines()]


def test_a_call_is_one_line_with_its_request_id(json_server: Server) -> None:
    root = json_server.root
    answer = root.call("CreateProduct", ProductName="pumps", NodeType="0")
    refused = root.v1("QueryProduct", ProductKey="a1b2c3d4e5f")
    unsigned = root.v1("QueryProduct", ProductKey="a1b2c3d4e5f", AccessKeyId="nobody")
    first, second, third = lines(json_server)
    assert first.items() >= {"level": "info", "message": "call", "action": "CreateProduct", "code": "OK"}.items()
    assert (first["status"], first["request_id"], first["access_key_id"]) == (200, answer["RequestId"], root.key_id)
    assert 0 < first["ms"] < 60_000
    assert (second["code"], second["request_id"]) == ("iot.prod.NotExistedProduct", refused.json["RequestId"])
    # Who does not prove who he is has no name in the log.
    assert (third["status"], third["access_key_id"]) == (404, "-")
    assert third["request_id"] == unsigned.json["RequestId"]


def test_no_secret_is_in_the_log(json_server: Server) -> None:
    root = json_server.root
    product = root.call("CreateProduct", ProductName="pumps", NodeType="0")
    secrets = [
        row["DeviceSecret"] for row in batch.devices(root, batch.register(root, product["ProductKey"], ["pump"]))
    ]
    single = root.call("RegisterDevice", ProductKey=product["ProductKey"], DeviceName="pump-2")["Data"]
    detail = root.call("QueryDeviceDetail", IotId=single["IotId"])["Data"]
    master = (json_server.data_dir / "master.key").read_text().strip()
    secrets += [single["DeviceSecret"], detail["DeviceSecret"], product["Data"]["ProductSecret"], ROOT_SECRET, master]
    assert all(secrets)
    assert not [secret for secret in secrets if secret in json_server.log]


def test_what_a_caller_sends_cannot_make_a_line_of_its_own(data_dir: Path) -> None:
    server = Server(data_dir).start()
    server.root.v1("Query\nINFO call action=CreateProduct code=OK", ProductKey="x\ny")
    server.root.v1("Query", AccessKeyId="a\nb", ProductKey="x\ny")
    assert server.stop() == 0
    assert [line.split()[1:4] for line in server.log.splitlines()] == [["INFO", "call", "action=unknown"]] * 2


def test_the_log_may_be_kept_to_what_matters(data_dir: Path) -> None:
    server = Server(data_dir, log_level="warning").start()
    server.root.call("CreateProduct", ProductName="pumps", NodeType="0")
    assert server.stop() == 0
    assert server.log == ""


@pytest.fixture
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, lines = root.handlers[:], root.level, logs.lines
    yield
    root.handlers[:], root.level, logs.lines = handlers, level, lines


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize("form", LogFormat)
def test_values_stand_beside_the_text(form: LogFormat, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, LogLevel.INFO)
    logs.lines.write(logging.INFO, "event", {"name": "two words", "count": 3, "line": "a\nb", "plain": "a.b-c"})
    logs.lines.write(logging.DEBUG, "unheard", {})
    written = capfd.readouterr().err
    assert written.count("\n") == 1
    if form is LogFormat.JSON:
        found = orjson.loads(written)
        assert (found["name"], found["count"], found["line"], found["plain"]) == ("two words", 3, "a\nb", "a.b-c")
    else:
        assert written.endswith(' INFO event name="two words" count=3 line="a\\nb" plain=a.b-c\n')


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize("form", LogFormat)
def test_what_went_wrong_is_told_with_its_trace(form: LogFormat, capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, LogLevel.INFO)
    try:
        logs.lines.no_such_thing  # type: ignore[attr-defined]  # noqa: B018 (it is there to fail)
    except AttributeError:
        logging.getLogger("test").exception("It failed.")
    written = capfd.readouterr().err
    if form is LogFormat.JSON:
        found = orjson.loads(written)
        assert (found["level"], found["message"]) == ("error", "It failed.")
        assert found["exception"].startswith("Traceback")
    else:
        assert " ERROR It failed.\nTraceback " in written
