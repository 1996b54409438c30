import orjson
from hypothesis import given
from hypothesis import strategies as st

from nameplate.store.packed import pack, unpack


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_stored_comes_back(names: list[str]) -> None:
    written = orjson.dumps(names)
    assert unpack(pack(written)) == written.decode()


def test_names_of_a_part_take_little_room() -> None:
    written = orjson.dumps([f"sn-{number:012}" for number in range(10_000)])
    assert len(pack(written)) < len(written) / 4


def test_what_an_older_version_stored_is_read() -> None:
    assert unpack('["Gerät", "名"]'.encode()) == '["Gerät", "名"]'
