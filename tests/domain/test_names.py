import pytest
from hypothesis import given
from hypothesis import strategies as st

from nameplate.domain import imports, names
from nameplate.domain.batch import refuse_rows

GOOD = ["abcd", "a" * 32, "A-b_c@d.e:f", "1234"]
BAD = ["", "abc", "a" * 33, "ab cd", "abcd\n", "abcd\nefgh", "灯灯灯灯", "abcd!", "ａｂｃｄ", "abc\x00d"]


@pytest.mark.parametrize("name", GOOD)
def test_a_device_name(name: str) -> None:
    assert names.is_device_name(name)
    assert names.all_device_names([name, *GOOD])


@pytest.mark.parametrize("name", BAD)
def test_not_a_device_name(name: str) -> None:
    assert not names.is_device_name(name)
    assert not names.all_device_names([*GOOD, name, *GOOD])


@given(texts=st.lists(st.one_of(st.text(max_size=40), st.from_regex(names.DEVICE_NAME, fullmatch=True))))
def test_all_at_once_says_what_one_by_one_says(texts: list[str]) -> None:
    assert names.all_device_names(texts) == all(map(names.is_device_name, texts))


@given(texts=st.lists(st.one_of(st.text(max_size=40), st.from_regex(r"[A-Za-z0-9_:]{0,66}", fullmatch=True))))
def test_secrets_and_serial_numbers_may_be_left_out(texts: list[str]) -> None:
    assert imports.all_secrets(texts) == all(not text or imports.is_secret(text) for text in texts)
    assert imports.all_sns(texts) == all(not text or imports.is_sn(text) for text in texts)


@pytest.mark.parametrize(
    ("text", "is_nickname"),
    [
        ("abcd", True),
        ("灯灯", True),
        ("灯a_", True),
        ("ランプ", True),
        ("𠮷野", True),
        ("a" * 64, True),
        ("灯" * 32, True),
        ("abc", False),
        ("灯a", False),
        ("灯" * 33, False),
        ("a" * 65, False),
        ("a b c d", False),
        ("abc-d", False),
        ("é" * 4, False),
        ("", False),
    ],
)
def test_a_nickname_counts_wide_characters_twice(text: str, is_nickname: bool) -> None:  # noqa: FBT001 (a table)
    assert names.is_nickname(text) == is_nickname


@pytest.mark.parametrize(("text", "is_name"), [("泵房", True), ("a" * 30, True), ("a" * 31, False), ("泵" * 16, False)])
def test_a_product_name_has_4_to_30_columns(text: str, is_name: bool) -> None:  # noqa: FBT001 (a table)
    assert names.is_product_name(text) == is_name


def test_refused_rows_say_every_reason_and_repeats_once() -> None:
    rows = refuse_rows(["name-1", "name-1", "ab", "ab", "name-2"], [None, "x", None, "!", "fine_nick"])
    assert [(row.ordinal, row.reason) for row in rows] == [
        (1, "The device name is repeated.|The nick name is illegal."),
        (2, "The device name is illegal."),
        (3, "The device name is illegal.|The device name is repeated.|The nick name is illegal."),
    ]
    assert refuse_rows(GOOD, None) == []
    assert refuse_rows(GOOD, [None] * len(GOOD)) == []
