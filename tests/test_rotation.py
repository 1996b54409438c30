"""`nameplate keys rotate-master`: what was sealed still opens, whenever and wherever the command is stopped."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nameplate.data_dir import MASTER_KEY_FILE, NEW_MASTER_KEY_FILE, StartError
from nameplate.domain.secrets import WrongMasterKeyError, mint_key
from nameplate.operations.imports import Credentials
from nameplate.rotation import rotate_master
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support import forked, killer
from tests.support.account import Account
from tests.support.forked import Forked
from tests.support.killer import Order, Trap
from tests.support.server import Server

SECRETS = {"imported-1": "its-own-secret:1", "imported-2": "2"}
MOST_POINTS = 200
# To be killed before one of these is to be killed after what came before it.
CHANGES_NOTHING = ": (SELECT|BEGIN|SET LOCAL)"


class Made:
    """An installation with one of everything that is sealed, and what a caller was told of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.key_file = settings.data_dir / MASTER_KEY_FILE
        self.new_key_file = settings.data_dir / NEW_MASTER_KEY_FILE
        with self.opened() as account:
            self.key = account.product("pumps")
            valves = account.call("CreateProduct", product_name="valves", node_type=0, auth_type="x509")
            self.x509 = valves["ProductKey"]
            for name, secret in SECRETS.items():
                account.call("ImportDevice", product_key=self.key, device_name=name, device_secret=secret)
            account.call("RegisterDevice", product_key=self.key, device_name="derived")
            account.call("RegisterDevice", product_key=self.x509, device_name="certified")
            rows = [Credentials("waiting-1", "waits")]
            self.batch = account.call("BatchImportDevice", product_key=self.key, device_list=rows)["Data"]["ApplyId"]
            self.told = self._ask(account)

    @contextmanager
    def opened(self) -> Iterator[Account]:
        with open_registry(self.settings) as registry:
            yield Account(registry)

    def _ask(self, account: Account) -> list[object]:
        names = [*SECRETS, "derived"]
        return [
            *(account.call("QueryDeviceDetail", product_key=self.key, device_name=name) for name in names),
            account.call("QueryDeviceCert", product_key=self.x509, device_name="certified"),
            account.call("QueryProduct", product_key=self.x509),
            account.registry.certificates.ca_pem,
        ]

    def check(self) -> None:
        """See that everything is what it was."""
        with self.opened() as account:
            assert self._ask(account) == self.told

    def finish(self) -> None:
        """See that a batch that waited brings its device the secret that was sent."""
        with self.opened() as account:
            account.work()
            page = account.call("QueryImportedDeviceByApplyId", apply_id=self.batch, page_no=1, page_size=10)
            assert [row["DeviceSecret"] for row in page["DeviceList"]["device"]] == ["waits"]

    def with_key(self, **keys: bytes) -> Settings:
        return self.settings.model_copy(update={name: SecretStr(key.hex()) for name, key in keys.items()})

    @property
    def command(self) -> list[str]:
        more = [] if self.settings.database_url is None else ["--database-url", self.settings.database_url]
        return ["keys", "rotate-master", "--data-dir", str(self.settings.data_dir), *more]


@pytest.fixture
def made(settings: Settings) -> Made:
    return Made(settings)


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("NAMEPLATE_")} | more


def run(made: Made, **more: str) -> subprocess.CompletedProcess[str]:
    return forked.run(made.command, environment(**more))


def test_everything_opens_under_the_new_key_and_not_under_the_old_one(made: Made) -> None:
    old = bytes.fromhex(made.key_file.read_text())
    assert rotate_master(made.settings) >= len(SECRETS) + 6
    assert made.key_file.read_text() != old.hex() + "\n"
    assert stat.S_IMODE(made.key_file.stat().st_mode) == 0o600
    assert not made.new_key_file.exists()
    made.check()
    with pytest.raises(StartError, match="is not the one"), open_registry(made.with_key(master_key=old)):
        pass
    made.finish()


def test_it_may_be_done_again(made: Made) -> None:
    rotate_master(made.settings)
    rotate_master(made.settings)
    made.check()
    made.finish()


def test_a_key_in_the_environment_is_replaced_by_one_in_the_environment(made: Made) -> None:
    old = bytes.fromhex(made.key_file.read_text())
    made.key_file.unlink()
    new = mint_key()
    with pytest.raises(StartError, match="give the new one in NAMEPLATE_NEW_MASTER_KEY"):
        rotate_master(made.with_key(master_key=old))
    rotate_master(made.with_key(master_key=old, new_master_key=new))
    assert not made.key_file.exists()
    with pytest.raises(StartError, match="NAMEPLATE_MASTER_KEY is not the one"):
        rotate_master(made.with_key(master_key=old, new_master_key=new))
    made.settings = made.with_key(master_key=new)
    made.check()
    made.finish()


def test_killed_at_any_point_the_next_start_finds_the_right_key(made: Made, tmp_path: Path) -> None:
    """Before each statement, and after each commit: on SQLite and PostgreSQL a few dozen points."""
    trap = Trap(tmp_path / "trap")
    for position in range(1, MOST_POINTS):
        trap.arm(Order(position, skip=CHANGES_NOTHING))
        with Forked(made.command, environment(**trap.environment), module=killer.MODULE) as rotation:
            code = rotation.wait()
        made.check()
        if code == 0:
            break
        assert code == -signal.SIGKILL
    points = [point.partition(": ")[2] for point in trap.sprung]
    assert sum(point == killer.AFTER_COMMIT for point in points) >= 2
    assert any(point.startswith("UPDATE device") for point in points)
    made.finish()


def test_stopped_between_the_database_and_the_file_it_goes_on_with_the_new_key(made: Made) -> None:
    """As if it had been killed just before the new key's file was put in the old one's place."""
    old = made.key_file.read_text()
    rotate_master(made.settings)
    made.key_file.rename(made.new_key_file)
    made.key_file.write_text(old)
    made.check()
    assert made.key_file.read_text() != old
    assert not made.new_key_file.exists()


def test_a_new_key_that_was_never_used_does_not_replace_the_right_one(made: Made, tmp_path: Path) -> None:
    """A rotation failed and left its key; then somebody starts with another database by mistake."""
    right, unused = made.key_file.read_text(), mint_key().hex() + "\n"
    made.new_key_file.write_text(unused)
    other = Made(Settings(data_dir=tmp_path / "other"))
    mistaken = Settings(
        data_dir=made.settings.data_dir, database_url=f"sqlite:///{other.settings.data_dir}/nameplate.db"
    )
    with pytest.raises(StartError, match="is not the one"), open_registry(mistaken):
        pass
    assert made.key_file.read_text() == right
    made.check()
    rotate_master(made.settings)
    made.check()
    assert unused != made.key_file.read_text() != right


def test_of_several_at_once_one_rotates_and_nothing_is_lost(made: Made) -> None:
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: run(made), range(4)))
    assert 0 in {one.returncode for one in ended} <= {0, 1}
    for one in ended:
        assert one.returncode == 0 or "another rotation" in one.stderr.lower(), one.stderr
    made.check()
    made.finish()


def test_a_server_that_was_not_stopped_answers_503_and_the_next_one_as_before(
    engine: str, data_dir: Path, request: pytest.FixtureRequest
) -> None:
    settings = {"database_url": request.getfixturevalue("databases").new()} if engine == "postgresql" else {}
    server = Server(data_dir, **settings).start()
    key = server.root.call("CreateProduct", ProductName="pumps", NodeType="0")["ProductKey"]
    server.root.call("ImportDevice", ProductKey=key, DeviceName="imported-1", DeviceSecret="its-own")
    about = {"ProductKey": key, "DeviceName": "imported-1"}
    told = server.root.call("QueryDeviceDetail", **about)["Data"]
    assert server.keys("rotate-master").returncode == 0
    # What the server remembers of an access key it remembers for a second.
    answers = [server.root.v1("QueryDeviceDetail", **about) for _ in range(30)]
    assert answers[-1].status == 503
    assert answers[-1].code == "ServiceUnavailable"
    assert server.stop() == 0
    assert server.start().root.call("QueryDeviceDetail", **about)["Data"] == told
    assert server.stop() == 0
    assert "Traceback" not in server.log
    assert "its-own" not in server.log


@pytest.mark.parametrize(
    ("table", "column", "key", "fields"),
    [
        ("device", "secret", "name", ("imported-1", "imported-2")),
        ("product", "secret", "name", ("valves", "pumps")),
        ("product", "material", "name", ("pumps", "valves")),
        ("installation", "sealed", "name", ("iot-id-key", "device-ca")),
    ],
)
def test_a_sealed_value_opens_in_its_own_row_only(
    made: Made, table: str, column: str, key: str, fields: tuple[str, str]
) -> None:
    here, there = fields
    from_there = f"SELECT {column} FROM {table} WHERE {key} = :there"  # noqa: S608 (tables of ours)
    move = f"UPDATE {table} SET {column} = ({from_there}) WHERE {key} = :here"  # noqa: S608 (likewise)
    with made.opened() as account, account.registry.store.database.transaction() as connection:
        connection.execute(text(move), {"here": here, "there": there})
    with pytest.raises((WrongMasterKeyError, StartError)):
        made.check()
