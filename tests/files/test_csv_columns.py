import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from nameplate.files.csv_columns import read_columns

LONGEST = 20
CELLS = st.text(st.sampled_from("abN1 ;\t'\0\x0b\x85\u2028\ufeff客"), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.data(), st.integers(1, 4), ENDS)
def test_cells_are_those_of_the_csv_module(data: st.DataObject, width: int, end: str) -> None:
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8))
    text = end.join(",".join(row) for row in rows) + data.draw(st.sampled_from(["", end]))
    found = read_columns(text, ",", width, LONGEST)
    if text.startswith("\ufeff"):
        assert found is None
    elif text:
        read = [row or [""] for row in csv.reader(io.StringIO(text, newline=""), quoting=csv.QUOTE_NONE)]
        assert found == [list(column) for column in zip(*read, strict=True)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), ENDS)
def test_a_line_of_another_width_is_read_otherwise(widths: list[int], end: str) -> None:
    text = "".join(",".join(["cell"] * width) + end for width in widths)
    found = read_columns(text, ",", widths[0], LONGEST)
    assert (found is None) == (len(set(widths)) > 1)


def test_a_cell_may_have_as_many_bytes_as_allowed_and_no_more() -> None:
    assert read_columns(f"ab,{'c' * LONGEST}\n", ",", 2, LONGEST) == [["ab"], ["c" * LONGEST]]
    assert read_columns(f"ab,{'c' * (LONGEST + 1)}\n", ",", 2, LONGEST) is None


def test_a_delimiter_that_takes_more_than_a_byte_is_left_to_the_csv_module() -> None:
    assert read_columns("a§b\n", "§", 2, LONGEST) is None
