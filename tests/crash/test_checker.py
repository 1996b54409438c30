"""The checker sees each kind of damage: one that finds nothing would be worth nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from nameplate.call import Registry
from nameplate.data_dir import database_url
from nameplate.operations.imports import Credentials
from nameplate.settings import Settings
from tests.crash.checker import check, is_unfinished
from tests.crash.ledger import Kind, Ledger, Request
from tests.crash.topology import TAKEOVERS
from tests.support.account import Account
from tests.support.disk import execute

DAMAGE: Final = {
    "DELETE FROM device WHERE name = 'pump-2'": "has 3 devices",
    "DELETE FROM device WHERE name = 'lone-0'": "lost: device",
    "UPDATE device SET name = 'another' WHERE name = 'pump-2'": "asked for was",
    "UPDATE device SET product_id = 2 WHERE name = 'pump-2'": "nobody asked for the device",
    "UPDATE device SET id = id + 9 WHERE name = 'pump-3'": "asked for was",
    "UPDATE batch SET state = 'CREATE' WHERE state = 'CREATE_SUCCESS' AND total = 4": "told was",
    "UPDATE batch SET created_at = 0, done = 3, state = 'CREATE' WHERE total = 4": "told was",
    "UPDATE part SET is_done = 0 WHERE rows = 4": "parts that are not done",
    "UPDATE part SET rows = 5 WHERE rows = 4": "parts do not add up",
    "DELETE FROM client_token": "ClientTokens stand for something else",
    "UPDATE client_token SET answer = answer + 1": "ClientTokens stand for something else",
    "DELETE FROM refusal": "refused",
    "UPDATE tally SET devices = devices + 1": "counted wrong",
    "UPDATE device SET secret = NULL WHERE name = 'meter-2'": "a secret that it brought, or has none",
    "UPDATE device SET secret = 'moved' WHERE name = 'pump-2'": "a secret that it brought, or has none",
    "DELETE FROM device WHERE name = 'pump-0'": "names that were refused and do not exist",
}


@dataclass
class Site:
    """A registry at rest, and a true ledger of it."""

    url: str
    ledger: Ledger


@pytest.fixture
def site(engine: str, registry: Registry, settings: Settings, tmp_path: Path) -> Iterator[Site]:
    account = Account(registry)
    product = account.product()
    account.product("other")
    ledger = Ledger(tmp_path / "ledger.db")
    _create_batch(account, ledger.ask(Request(Kind.NAMED, product, 4, "pump")))
    late = ledger.ask(Request(Kind.RACING, product, 3, "pump"))
    late.answer = _check_names(account, late)
    account.work()
    late.state = "CHECK_FAILED"
    _import(account, ledger.ask(Request(Kind.IMPORTED, product, 3, "meter")))
    lone = ledger.ask(Request(Kind.SINGLE, product, 1, "lone"))
    account.call("RegisterDevice", product_key=product, device_name=lone.name(0), client_token=lone.token)
    found = registry.store.devices.find_name(1, lone.name(0))
    assert found is not None
    lone.answer, lone.state = found.id, "CREATE_SUCCESS"
    url = database_url(settings)
    execute(url, *TAKEOVERS[engine])
    yield Site(url, ledger)
    ledger.close()


def _create_batch(account: Account, request: Request) -> None:
    request.answer = _check_names(account, request)
    account.work()
    account.call("BatchRegisterDeviceWithApplyId", product_key=request.product, apply_id=request.answer)
    account.work()
    request.state = "CREATE_SUCCESS"


def _import(account: Account, request: Request) -> None:
    rows = [Credentials(name, request.secret(name)) for name in request.names]
    call = {"product_key": request.product, "device_list": rows, "client_token": request.token}
    request.answer = int(account.call("BatchImportDevice", **call)["Data"]["ApplyId"])
    account.work()
    request.state = "CREATE_SUCCESS"


def _check_names(account: Account, request: Request) -> int:
    names = {"device_name": request.names, "client_token": request.token}
    return int(account.call("BatchCheckDeviceNames", product_key=request.product, **names)["Data"]["ApplyId"])


def test_what_is_right_is_right(site: Site) -> None:
    found = check(site.url, site.ledger)
    assert found.wrong == []
    assert (found.batches, found.devices) == (3, 8)
    assert (found.lost_batches, found.duplicate_names, found.duplicate_ids) == (0, 0, 0)
    assert not is_unfinished(site.url)


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_is_found(site: Site, statement: str) -> None:
    execute(site.url, statement)
    found = check(site.url, site.ledger)
    assert DAMAGE[statement] in "\n".join(found.wrong)


def test_a_lost_batch_is_found(site: Site) -> None:
    site.ledger.ask(Request(Kind.MINTED, site.ledger.requests[0].product, 1, answer=99, state="CREATE_SUCCESS"))
    assert check(site.url, site.ledger).lost_batches == 1


def test_a_name_twice_is_found(site: Site) -> None:
    copied = "INSERT INTO device (id, product_id, name, created_at) SELECT id + 100, product_id, name, 0 FROM device"
    execute(site.url, "DROP INDEX device_name", f"{copied} WHERE name = 'pump-1'")
    assert check(site.url, site.ledger).duplicate_names == 1


def test_an_imported_secret_that_is_another_is_found(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    request = Request(Kind.IMPORTED, "key", 2, "meter")
    right = [{"DeviceName": name, "DeviceSecret": request.secret(name)} for name in request.names]
    ledger.compare(request, right)
    assert ledger.changed_secrets == []
    ledger.compare(request, [right[0], right[1] | {"DeviceSecret": right[0]["DeviceSecret"]}])
    assert len(ledger.changed_secrets) == 1
    ledger.close()


def test_a_changed_secret_is_found(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    shown = {"DeviceName": "pump-1", "DeviceSecret": "a", "IotId": "0" * 10 + "5" + "x" * 15}
    ledger.show("key", [shown])
    ledger.show("key", [shown])
    assert ledger.changed_secrets == []
    ledger.show("key", [shown | {"DeviceSecret": "b"}])
    assert len(ledger.changed_secrets) == 1
    ledger.show("key", [shown | {"DeviceSecret": "c", "IotId": "0" * 10 + "6" + "x" * 15}])
    ledger.show("key", [shown | {"DeviceSecret": "c", "IotId": "0" * 10 + "7" + "x" * 15}])
    assert (ledger.secrets, ledger.shared_secrets) == (3, 1)
    ledger.close()
