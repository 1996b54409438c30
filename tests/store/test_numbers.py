from concurrent.futures import ThreadPoolExecutor

from nameplate.call import Registry
from nameplate.domain.device import first_id, number_of
from nameplate.store.counters import Counters
from nameplate.store.devices import Devices
from tests.support.account import Account


def test_two_processes_never_mint_the_same_number(registry: Registry) -> None:
    counters = [Counters(registry.store.database) for _ in range(3)]
    minted = [counter.mint("batch") for _ in range(250) for counter in counters]
    assert len(set(minted)) == len(minted)
    assert min(minted) >= 1


def test_threads_never_mint_the_same_number(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        minted = list(pool.map(registry.store.counters.mint, ["product"] * 200))
    assert sorted(minted) == list(range(1, 201))


def test_single_devices_take_ids_from_a_batch_number_of_their_own(registry: Registry) -> None:
    one, other = registry.store.devices, Devices(registry.store.database, registry.store.counters, [])
    Account(registry).product()
    first = one.mint_id(1)
    assert first % first_id(1) == 0
    assert [one.mint_id(1), one.mint_id(1)] == [first + 1, first + 2]
    assert other.mint_id(1) >= first + first_id(1)


def test_single_devices_of_two_products_share_no_number(registry: Registry) -> None:
    account = Account(registry)
    numbers = []
    for name in ("pumps", "valves"):
        product = registry.store.products.find(account.product(name))
        assert product is not None
        numbers.append(number_of(registry.store.devices.mint_id(product.id)))
    assert len(set(numbers)) == len(numbers)
