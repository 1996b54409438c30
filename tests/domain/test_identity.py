import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.domain.device import MAX_ID, IotIds, first_id
from nameplate.domain.secrets import DeviceSecrets, MasterKey, WrongMasterKeyError, mint_key, mint_text

numbers = st.integers(0, MAX_ID)
IDS = IotIds(b"k" * 32)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@given(number=numbers)
def test_an_iot_id_is_read_back(number: int) -> None:
    iot_id = IDS.iot_id(number)
    assert len(iot_id) == 26
    assert set(iot_id) <= set(ALPHABET)
    assert iot_id.startswith(IDS.device_id(number))
    assert IDS.read(iot_id) == number


@given(one=numbers, other=numbers)
def test_iot_ids_sort_as_the_ids_do(one: int, other: int) -> None:
    assert (IDS.iot_id(one) < IDS.iot_id(other)) == (one < other)


@given(number=numbers, place=st.integers(0, 19), character=st.sampled_from(ALPHABET))
def test_a_changed_iot_id_is_not_read(number: int, place: int, character: str) -> None:
    iot_id = IDS.iot_id(number)
    changed = iot_id[:place] + character + iot_id[place + 1 :]
    assert IDS.read(changed) == (number if changed == iot_id else None)


@pytest.mark.parametrize(
    "text", ["", "x", "0" * 26, "z" * 20 + "000100", "灯" * 26, IDS.iot_id(1)[:-1], IDS.device_id(1)]
)
def test_a_made_up_iot_id_is_not_read(text: str) -> None:
    assert IDS.read(text) is None


def test_another_installation_does_not_read_it() -> None:
    assert IotIds(b"K" * 32).read(IDS.iot_id(7)) is None


def test_batches_are_ranges_of_ids() -> None:
    assert first_id(2) - first_id(1) == 1 << 24
    assert first_id((1 << 39) - 1) + (1 << 24) - 1 == MAX_ID


def test_secrets_differ_by_device_generation_and_product() -> None:
    one, other = DeviceSecrets(b"m" * 32), DeviceSecrets(b"n" * 32)
    secrets = {one.secret(1, 0), one.secret(2, 0), one.secret(1, 1), other.secret(1, 0)}
    assert len(secrets) == 4
    assert all(len(secret) == 32 and set(secret) <= set("0123456789abcdef") for secret in secrets)
    assert one.secret(1, 0) == DeviceSecrets(b"m" * 32).secret(1, 0)


def test_what_is_sealed_opens_only_for_its_owner_and_under_its_key() -> None:
    master = MasterKey(mint_key())
    sealed = master.seal(b"secret", "access-key:1")
    assert b"secret" not in sealed
    assert master.open(sealed, "access-key:1") == b"secret"
    for key, owner, text in [
        (master, "access-key:2", sealed),
        (MasterKey(mint_key()), "access-key:1", sealed),
        (master, "access-key:1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ]:
        with pytest.raises(WrongMasterKeyError):
            key.open(text, owner)


def test_minted_texts_are_letters_and_digits() -> None:
    assert set(mint_text(1_000)) <= set(ALPHABET)
    assert len({mint_text(11) for _ in range(1_000)}) == 1_000
