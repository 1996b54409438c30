import orjson
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from nameplate.store.packed import PackedText, unpack

DIALECT = sqlite.dialect()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_is_stored_comes_back(names: list[str]) -> None:
    written = orjson.dumps(names).decode()
    stored = PackedText().process_bind_param(written, DIALECT)
    assert stored is not None
    assert unpack(stored) == written == PackedText().process_result_value(stored, DIALECT)


def test_names_of_a_part_take_little_room() -> None:
    written = orjson.dumps([f"sn-{number:012}" for number in range(10_000)]).decode()
    stored = PackedText().process_bind_param(written, DIALECT)
    assert stored is not None
    assert len(stored) < len(written) / 4


def test_what_an_older_version_stored_is_read() -> None:
    assert unpack('["Gerät", "名"]'.encode()) == '["Gerät", "名"]'


def test_what_is_not_there_is_not_there() -> None:
    assert PackedText().process_bind_param(None, DIALECT) is None
    assert PackedText().process_result_value(None, DIALECT) is None
