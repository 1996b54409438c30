"""100,000 imported devices keep the secrets that they brought, also under another master key."""

import random
import string
from pathlib import Path

import pytest

from nameplate.operations.imports import Credentials
from nameplate.rotation import rotate_master
from nameplate.server import open_registry
from nameplate.settings import Settings
from tests.support.account import Account
from tests.support.server import Server
from tests.support.session import Session

BATCHES, ROWS = 10, 10_000
LETTERS = string.ascii_letters + string.digits + "-_@.:"
OVER_THE_WIRE = 300


def make_rows(seed: int) -> list[Credentials]:
    chance = random.Random(seed)  # noqa: S311 (not what is kept secret)
    return [
        Credentials(
            f"imported-{seed}-{number}",
            "".join(chance.choices(LETTERS, k=chance.randint(1, 32))),
            f"sn_{seed}_{number}" if number % 2 else None,
        )
        for number in range(ROWS)
    ]


def import_all(account: Account, product: str, batches: list[list[Credentials]]) -> list[int]:
    """Import every row and return the ApplyIds."""
    ids = []
    for rows in batches:
        answer = account.call("BatchImportDevice", product_key=product, device_list=rows)
        ids.append(int(answer["Data"]["ApplyId"]))
    account.work()
    return ids


def paged(account: Account, batch: int) -> list[Credentials]:
    """Every device of an import, as QueryImportedDeviceByApplyId shows it."""
    rows: list[Credentials] = []
    for page in range(1, ROWS // 200 + 1):
        answer = account.call("QueryImportedDeviceByApplyId", apply_id=batch, page_no=page, page_size=200)
        assert answer["TotalPage"] == ROWS // 200
        shown = answer["DeviceList"]["device"]
        rows += (Credentials(row["DeviceName"], row["DeviceSecret"], row.get("Sn")) for row in shown)
    return rows


def check_details(account: Account, product: str, rows: list[Credentials]) -> None:
    """See that QueryDeviceDetail gives each its secret."""
    for row in rows:
        detail = account.call("QueryDeviceDetail", product_key=product, device_name=row.device_name)["Data"]
        assert (detail["DeviceName"], detail["DeviceSecret"]) == row[:2]


def check(settings: Settings, product: str, imported: dict[int, list[Credentials]], each: int = 1) -> None:
    """See that pages have every secret, and QueryDeviceDetail that of each tenth device, say."""
    with open_registry(settings) as registry:
        account = Account(registry)
        for batch, rows in imported.items():
            assert paged(account, batch) == rows
            check_details(account, product, rows[::each])


def check_over_the_wire(settings: Settings, product: str, rows: list[Credentials]) -> None:
    server = Server(settings.data_dir)
    server.start(**({"NAMEPLATE_DATABASE_URL": settings.database_url} if settings.database_url else {}))
    try:
        with Session.of(server.root) as client:
            for row in rows:
                detail = client.call("QueryDeviceDetail", ProductKey=product, DeviceName=row.device_name)["Data"]
                assert detail["DeviceSecret"] == row.device_secret
    finally:
        assert server.stop() == 0
    assert not any(row.device_secret in server.log for row in rows if len(row.device_secret) > 8)


def test_100_000_imported_devices_keep_their_secrets_before_and_after_the_master_key_is_rotated(
    settings: Settings,
) -> None:
    # A call costs four times as much on PostgreSQL, for the same statements.
    batches = [make_rows(seed) for seed in range(BATCHES if settings.database_url is None else 1)]
    with open_registry(settings) as registry:
        account = Account(registry)
        product = account.product()
        imported = dict(zip(import_all(account, product, batches), batches, strict=True))
    check(settings, product, imported, each=10)
    assert rotate_master(settings) >= len(batches) * ROWS
    check(settings, product, imported)
    check_over_the_wire(settings, product, [rows[0] for rows in batches] + batches[-1][:OVER_THE_WIRE])


@pytest.mark.parametrize("secret", ["x", "a" * 32, "-_@.:"])
def test_no_file_of_the_installation_holds_an_imported_secret(data_dir: Path, secret: str) -> None:
    secret = f"{secret}:{'canary'}"[-32:]
    with open_registry(Settings(data_dir=data_dir)) as registry:
        account = Account(registry)
        product = account.product()
        account.call("ImportDevice", product_key=product, device_name="imported-0", device_secret=secret)
        rows = [Credentials("imported-1", secret[::-1])]
        token = {"client_token": "once"}
        account.call("BatchImportDevice", product_key=product, device_list=rows, **token)
        held = [path.read_bytes() for path in data_dir.iterdir()]
        account.work()
        held += [path.read_bytes() for path in data_dir.iterdir()]
    assert any(b"imported-1" in content for content in held)
    for content in held:
        assert secret.encode() not in content
        assert secret[::-1].encode() not in content
