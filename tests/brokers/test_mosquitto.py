"""Mosquitto, which asks nobody: the files that `nameplate brokers mosquitto` writes for it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nameplate.cli.brokers import _doubt as doubt
from tests.support.devices import FieldDevice, register
from tests.support.mosquitto import Mosquitto, find_mosquitto
from tests.support.mqtt import MqttClient
from tests.support.server import Server

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="Mosquitto is not there: make test")

OWN_USER = "backend:$7$101$0000000000000000$" + "A" * 86 + "=="
OWN_ACCESS = "topic read news/#\n\nuser backend\ntopic readwrite #\n"


class Site(NamedTuple):
    """A server, a broker's files, and a product."""

    server: Server
    directory: Path
    product: str

    def write(self, *more: str) -> subprocess.CompletedProcess[str]:
        files = ["--passwords", str(self.directory / "passwords"), "--access", str(self.directory / "access")]
        return self.server.run("brokers", "mosquitto", "--product", self.product, *files, *more)

    def device(self, name: str) -> FieldDevice:
        return register(self.server.root, self.product, name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    server = Server(tmp_path / "data").start()
    product = str(server.root.call("CreateProduct", ProductName="lights", NodeType="0")["ProductKey"])
    (tmp_path / "passwords").write_text(f"{OWN_USER}\n")
    (tmp_path / "access").write_text(OWN_ACCESS)
    for name in ("passwords", "access"):
        (tmp_path / name).chmod(0o640)
    yield Site(server, tmp_path, product)
    assert server.stop() == 0


def connects(broker: Mosquitto, device: FieldDevice, password: str | None = None) -> bool:
    with MqttClient(broker.port, device.name, device.username, password or device.secret) as client:
        return client.connect() == 0


def test_devices_connect_with_their_secrets_and_are_kept_to_their_topics(site: Site) -> None:
    light, other = site.device("light1"), site.device("light.2")
    assert "2 devices may connect; the files differed" in site.write().stdout
    own = f"/{site.product}/light1/user/get"
    with Mosquitto(site.directory) as broker:
        assert connects(broker, other)
        assert not connects(broker, light, other.secret)
        with MqttClient(broker.port, "any", light.username, light.secret) as client:
            assert client.connect() == 0
            assert client.subscribe(own) == [1]
            client.client.publish(f"/{site.product}/light.2/user/get", "not mine", 1)
            client.client.publish(own, "mine", 1)
            assert client.receive() == (own, b"mine")
            client.subscribe(f"/{site.product}/light.2/#")
            with MqttClient(broker.port, "other", other.username, other.secret) as sender:
                assert sender.connect() == 0
                sender.client.publish(f"/{site.product}/light.2/user/get", "theirs", 1).wait_for_publish(10)
            assert client.receive(0.5) is None


def test_who_may_not_connect_any_more_is_out_when_the_files_are_read_anew(site: Site) -> None:
    light, gone, off = (site.device(name) for name in ("light1", "gone", "off1"))
    site.write()
    root, names = site.server.root, {"ProductKey": site.product}
    with Mosquitto(site.directory) as broker:
        assert all(connects(broker, device) for device in (light, gone, off))
        root.call("DeleteDevice", **names, DeviceName="gone")
        root.call("DisableThing", **names, DeviceName="off1")
        new = site.device("new1")
        checked = site.write("--check")
        assert checked.returncode == 1
        key = site.product
        assert f"missing: 1 (new1&{key})" in checked.stdout
        assert f"unwanted: 2 (gone&{key}, off1&{key})" in checked.stdout
        assert connects(broker, gone)
        with MqttClient(broker.port, "any", gone.username, gone.secret) as client:
            assert client.connect() == 0
            written = site.write("--pid-file", str(broker.pid_file))
            assert written.returncode == 0, written.stderr
            # Mosquitto cuts it itself.
            assert client.next("disconnect")
        assert [connects(broker, device) for device in (light, gone, off, new)] == [True, False, False, True]
        root.call("EnableThing", **names, DeviceName="off1")
        site.write("--pid-file", str(broker.pid_file))
        assert connects(broker, off)


def test_what_is_not_a_devices_stays_and_so_do_the_files_modes(site: Site) -> None:
    site.device("light1")
    site.write()
    passwords, access = (site.directory / name for name in ("passwords", "access"))
    assert passwords.read_text().splitlines()[0] == OWN_USER
    assert access.read_text().startswith(OWN_ACCESS)
    assert [path.stat().st_mode & 0o777 for path in (passwords, access)] == [0o640, 0o640]
    before = passwords.read_text(), access.read_text()
    again = site.write()
    assert "1 devices may connect; the files did not differ" in again.stdout
    assert (passwords.read_text(), access.read_text()) == before
    assert site.write("--check").returncode == 0


def test_what_somebody_has_changed_by_hand_is_shown_and_mended(site: Site) -> None:
    light = site.device("light1")
    site.write()
    access = site.directory / "access"
    access.write_text(f"user {light.username}\ntopic readwrite #\n" + access.read_text())
    checked = site.write("--check")
    assert (checked.returncode, f"changed: 1 ({light.username})" in checked.stdout) == (1, True)
    site.write()
    assert access.read_text().count("topic readwrite #\n") == 1  # the operator's own user's


def test_what_the_operator_has_written_behind_a_device_stays(site: Site) -> None:
    light = site.device("light1")
    site.write()
    access = site.directory / "access"
    own = ["# for everybody", "pattern read common/%u"]
    access.write_text(access.read_text() + "\n".join([*own, "topic readwrite #", ""]))
    site.write()
    lines = access.read_text().splitlines()
    assert [line for line in lines if line in own] == own
    assert lines.index(own[0]) < lines.index(f"user {light.username}")
    assert lines.count("topic readwrite #") == 1
    before = access.read_text()
    site.write()
    assert access.read_text() == before


def test_what_a_product_allows_beyond_is_written_too(site: Site) -> None:
    light, other = site.device("light1"), site.device("light2")
    site.server.command("access", "allow", site.product, "subscribe", "/fleet/${productKey}/#")
    site.server.command("access", "allow", site.product, "publish", "/fleet/${productKey}/+")
    site.server.command("access", "allow", site.product, "publish", "x\ntopic write y")
    written = site.write()
    assert "the rules 'x\\ntopic write y'" in written.stdout
    assert "topic write y" not in (site.directory / "access").read_text()
    topic = f"/fleet/{site.product}/a"
    with Mosquitto(site.directory) as broker, MqttClient(broker.port, "a", light.username, light.secret) as client:
        assert client.connect() == 0
        client.subscribe(topic)
        with MqttClient(broker.port, "b", other.username, other.secret) as sender:
            assert sender.connect() == 0
            sender.client.publish(topic, "to all", 1).wait_for_publish(10)
        assert client.receive() == (topic, b"to all")


def test_only_mosquittos_own_line_breaks_part_lines(site: Site) -> None:
    light = site.device("light1")
    site.write()
    access = site.directory / "access"
    own = "# one\x0ctopic read none\r\n\n# two\u2028user nobody\n  user other\ntopic read kept\n"
    with access.open("a", encoding="utf-8", newline="") as file:
        file.write(own)
    site.write()
    assert own.encode() in access.read_bytes()
    assert site.write("--check").returncode == 0
    with access.open("a", encoding="utf-8") as file:
        file.write(f"  user {light.username}\n topic readwrite #\n")
    assert f"changed: 1 ({light.username})" in site.write("--check").stdout


def test_a_password_that_mosquitto_would_find_behind_blanks_is_seen(site: Site) -> None:
    passwords = site.directory / "passwords"
    with passwords.open("a") as file:
        file.write(f" gone&{site.product}:$7$101$none$none\n:gone2&{site.product}:$7$101$none$none\n")
    assert "unwanted: 2 " in site.write().stdout
    assert passwords.read_text() == f"{OWN_USER}\n"


def test_a_rule_that_mosquitto_would_refuse_all_lines_for_is_left_out(site: Site) -> None:
    light = site.device("light1")
    deepest, deeper = "/" * 200, "/" * 201
    for text in (deepest, deeper):
        site.server.command("access", "allow", site.product, "publish", text)
    written = site.write()
    assert f"the rules '{deeper}'\n" in written.stdout
    assert f"topic write {deepest}\n" in (site.directory / "access").read_text()
    with Mosquitto(site.directory) as broker:
        assert connects(broker, light)


def test_a_deleted_products_devices_are_taken_out(site: Site) -> None:
    light = site.device("light1")
    site.write()
    names = {"ProductKey": site.product}
    site.server.root.call("DeleteDevice", **names, DeviceName="light1")
    site.server.root.call("DeleteProduct", **names)
    assert f"unwanted: 1 ({light.username})" in site.write().stdout
    assert light.username not in (site.directory / "passwords").read_text() + (site.directory / "access").read_text()


def test_a_product_whose_devices_could_be_taken_over_is_warned_of(site: Site) -> None:
    assert site.write().stderr == ""
    site.server.command("access", "dynamic-registration", site.product, "--on")
    written = site.write()
    assert written.returncode == 0
    assert f"warning: {site.product} has dynamic registration on" in written.stderr


def test_a_link_stays_one(site: Site) -> None:
    site.device("light1")
    link, kept = site.directory / "passwords", site.directory / "kept"
    link.rename(kept)
    link.symlink_to(kept)
    site.write()
    assert link.is_symlink()
    assert "light1" in kept.read_text()


def test_a_name_with_a_colon_is_left_out_and_said(site: Site) -> None:
    site.device("li:ght")
    assert f"left out, since their names have a colon: 1 (li:ght&{site.product})" in site.write().stdout


def test_secrets_are_in_neither_file(site: Site) -> None:
    light = site.device("light1")
    done = site.write()
    files = "".join((site.directory / name).read_text() for name in ("passwords", "access"))
    assert light.secret not in files + done.stdout + done.stderr


def test_a_program_that_only_has_mosquitto_in_its_name_is_not_signalled(site: Site) -> None:
    program = site.directory / "mosquitto_sub"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as other:
        (site.directory / "pid").write_text(f"{other.pid}\n")
        refused = site.write("--pid-file", str(site.directory / "pid"))
        still_runs = other.poll() is None
        other.kill()
    assert (refused.returncode, still_runs) == (1, True)
    assert f"process {other.pid} is not Mosquitto's" in refused.stderr


@pytest.mark.parametrize("number", [0, -1, -7])
def test_groups_of_processes_are_not_signalled(number: int) -> None:
    # Not by way of the command: if it did, nobody would be left to say so.
    assert doubt(number) == f"process {number} is not Mosquitto's"


def test_what_cannot_be_done_is_said(site: Site) -> None:
    missing = site.server.run("brokers", "mosquitto", "--product", "a1BwAGVabcd", "--passwords", "p", "--access", "a")
    assert (missing.returncode, missing.stderr) == (1, "nameplate: There is no product a1BwAGVabcd.\n")
    stale = site.write("--pid-file", str(site.directory / "none"))
    assert stale.returncode == 1
    assert "could not be told to read the files anew" in stale.stderr
    for number in ("1", str(os.getpid())):
        (site.directory / "pid").write_text(f"{number}\n")
        refused = site.write("--pid-file", str(site.directory / "pid"))
        assert (refused.returncode, f"process {number} is not Mosquitto's" in refused.stderr) == (1, True)
    for number, why in (("4194305", "there is no process 4194305"), ("", "no number is in it")):
        (site.directory / "pid").write_text(f"{number}\n")
        assert why in site.write("--pid-file", str(site.directory / "pid")).stderr
    (site.directory / "passwords").unlink()
    (site.directory / "passwords").mkdir()
    refused = site.write()
    assert refused.returncode == 1
    assert "cannot be read" in refused.stderr
    assert "Traceback" not in refused.stderr
