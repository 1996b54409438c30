import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.files.vault import RECORD_BYTES, BusyVaultError, DamagedVaultError, Vault

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1-0"


def test_what_is_appended_is_read_from_anywhere(path: Path) -> None:
    data = os.urandom(2 * RECORD_BYTES + 1_000)
    with Vault(path, KEY) as vault:
        assert vault.append(data[:10]) == 10
        assert vault.append(data[10:]) == len(data)
    vault = Vault(path, KEY)
    assert vault.received == len(data)
    with vault.open() as file:
        assert file.read() == data
        assert file.seek(RECORD_BYTES + 5) == RECORD_BYTES + 5
        assert file.read(20) == data[RECORD_BYTES + 5 :][:20]
        assert file.seek(-7, io.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:]


def test_a_file_that_is_not_there_is_empty_and_may_be_deleted(path: Path) -> None:
    vault = Vault(path, KEY)
    assert vault.received == 0
    assert vault.open().read() == b""
    vault.delete()
    vault.append(b"x")
    vault.delete()
    assert not path.exists()


def test_nothing_of_it_lies_on_disk_in_the_clear_or_for_others(path: Path) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"sn-0001,secret" * 100)
    assert b"secret" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6), st.data())
def test_after_a_crash_at_any_byte_it_goes_on_where_it_says(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("vault") / "1-0"
    with Vault(path, KEY) as vault:
        ends = [(vault.append(chunk), path.stat().st_size) for chunk in chunks]
    cut = data.draw(st.integers(0, ends[-1][1]))
    os.truncate(path, cut)
    whole = b"".join(chunks)
    with Vault(path, KEY) as vault:
        received = vault.received
        assert received == max((end for end, size in ends if size <= cut), default=0)
        assert vault.append(whole[received:]) == len(whole)
    assert Vault(path, KEY).open().read() == whole


@pytest.mark.parametrize(
    "tail", [bytes(100), b"\x05\0\0\0" + bytes(40), bytes(range(1, 65))], ids=["zeros", "short", "noise"]
)
def test_what_is_no_record_is_cut_off(path: Path, tail: bytes) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"abc")
    with path.open("ab") as file:
        file.write(tail)
    with Vault(path, KEY, known=3) as vault:
        assert vault.received == 3
        assert vault.append(b"def") == 6
    assert Vault(path, KEY).open().read() == b"abcdef"


def test_a_changed_byte_is_never_read(path: Path) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"abc")
        vault.append(b"def")
    changed = bytearray(path.read_bytes())
    changed[20] ^= 1
    path.write_bytes(changed)
    assert Vault(path, KEY).received == 0
    with pytest.raises(DamagedVaultError):
        Vault(path, KEY, known=6).open().read()


@pytest.mark.parametrize("kept", [0, 35, 40])
def test_less_than_is_known_to_have_come_is_never_read(path: Path, kept: int) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"abc")
        vault.append(b"def")
    os.truncate(path, kept)
    with pytest.raises(DamagedVaultError):
        Vault(path, KEY, known=6).open()
    path.unlink()
    with pytest.raises(DamagedVaultError):
        Vault(path, KEY, known=6).open()


def test_records_cannot_change_places_and_another_key_opens_nothing(path: Path) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"abc")
        vault.append(b"def")
    one, other = path.read_bytes()[:35], path.read_bytes()[35:]
    path.write_bytes(other + one)
    assert Vault(path, KEY).received == 0
    path.write_bytes(one + other)
    assert Vault(path, KEY).received == 6
    assert Vault(path, bytes(32)).received == 0


def test_a_second_writer_is_refused(path: Path) -> None:
    with Vault(path, KEY) as vault:
        vault.append(b"abc")
        with pytest.raises(BusyVaultError):
            Vault(path, KEY).append(b"def")
        assert Vault(path, KEY).received == 3
    assert Vault(path, KEY).append(b"def") == 6
