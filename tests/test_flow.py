from tests.support import batch
from tests.support.signer import Client


def test_ten_thousand_names_become_devices_with_secrets(root: Client, product: str) -> None:
    names = [f"pump-{number:05}" for number in range(10_000)]
    made = batch.devices(root, batch.register(root, product, names))
    assert [row["DeviceName"] for row in made] == names
    assert len({row["DeviceSecret"] for row in made}) == 10_000
    assert len({row["IotId"] for row in made}) == 10_000
