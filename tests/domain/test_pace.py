from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from nameplate.domain.batch import ROWS_PER_PART
from nameplate.domain.pace import COMPANY_MS, LONG_SECONDS, Pace

MOST = 32
NOW = 1_000_000


def settle(pace: Pace, seconds: Callable[[int], float], rounds: int = 20) -> list[int]:
    """Create so many times, and return how many parts it was each time."""
    taken = []
    for _ in range(rounds):
        taken.append(pace.parts(NOW))
        pace.took(taken[-1] * ROWS_PER_PART, seconds(taken[-1]))
    return taken


def test_quick_parts_together_take_no_longer_than_a_slow_one() -> None:
    assert settle(Pace(MOST), lambda parts: 0.02 * parts) == [1] + [5] * 19
    assert settle(Pace(MOST), lambda parts: 0.03 * parts) == [1] + [3] * 19
    assert settle(Pace(MOST), lambda parts: 0.06 * parts) == [1] * 20


def test_where_nobody_else_waits_they_may_take_longer() -> None:
    assert settle(Pace(8, 0.25), lambda parts: 0.03 * parts) == [1] + [8] * 19
    assert settle(Pace(8, 0.25), lambda parts: 0.06 * parts) == [1] + [4] * 19


def test_one_delay_does_not_make_transactions_long() -> None:
    pace = Pace(MOST)
    settle(pace, lambda parts: 0.02 * parts)
    pace.took(5 * ROWS_PER_PART, 0.25)
    assert settle(pace, lambda parts: 0.02 * parts)[0] == 5


def test_slow_parts_are_created_together() -> None:
    """Onto millions of random names: half a second for one, three for thirty-two."""
    assert settle(Pace(MOST), lambda parts: 0.4 + 0.08 * parts)[-1] == MOST


def test_a_transaction_does_not_stay_too_long() -> None:
    taken = settle(Pace(MOST), lambda parts: 0.5 * parts, 50)
    assert max(taken) * 0.5 <= 2 * LONG_SECONDS
    assert taken[-1] < MOST


def test_it_goes_back_when_parts_are_quick_again() -> None:
    pace = Pace(MOST)
    settle(pace, lambda parts: 0.4 + 0.08 * parts)
    assert settle(pace, lambda parts: 0.02 * parts)[-1] == 5


def test_where_parts_are_never_merged_there_is_one() -> None:
    assert settle(Pace(1), lambda _: 60.0) == [1] * 20


@given(took=st.lists(st.tuples(st.integers(1, 400_000), st.floats(0, 100)), max_size=50), most=st.integers(1, 64))
def test_it_stays_within_its_bounds(took: list[tuple[int, float]], most: int) -> None:
    pace = Pace(most)
    for rows, seconds in took:
        pace.took(rows, seconds)
        assert 1 <= pace.parts(NOW) <= most


def test_beside_small_batches_parts_are_created_one_by_one() -> None:
    pace = Pace(MOST)
    settle(pace, lambda parts: 0.4 + 0.08 * parts)
    pace.met(ROWS_PER_PART, NOW)
    assert pace.parts(NOW) == MOST
    pace.met(10, NOW)
    pace.took(10, 0.001)
    assert pace.parts(NOW) == pace.parts(NOW + COMPANY_MS - 1) == 1
    assert pace.parts(NOW + COMPANY_MS) == MOST


def test_a_few_transactions_are_enough_to_find_out() -> None:
    """Onto five million random names, as measured: each step up is one that takes half a second or more."""
    assert settle(Pace(MOST), lambda parts: 0.5 + 0.08 * parts, 3) == [1, 10, MOST]
