"""Packing a context into a window."""

from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.budget import LEAST_ANSWER, answer_reserve, pack

windows = st.integers(64, 200_000)


@given(
    windows,
    st.none() | st.integers(16, 100_000),
    st.integers(0, 50_000),
    st.lists(st.integers(0, 5000)),
)
def test_what_is_kept_fits_and_is_the_newest(
    window: int, asked: int | None, fixed: int, turns: list[int]
) -> None:
    reserve = answer_reserve(window, asked)
    packed = pack(window, reserve, fixed, turns)
    kept = turns[len(turns) - packed.kept :]
    assert packed.tokens == fixed + sum(kept)
    if packed.fits:
        assert packed.tokens + LEAST_ANSWER <= window
    if packed.kept:
        assert packed.tokens + reserve <= window
    if packed.fits and fixed + reserve <= window and packed.kept < len(turns):
        dropped = turns[len(turns) - packed.kept - 1]
        assert packed.tokens + dropped + reserve > window


@given(windows, st.none() | st.integers(16, 10**9))
def test_the_reserve_leaves_half_the_window(window: int, asked: int | None) -> None:
    assert LEAST_ANSWER <= answer_reserve(window, asked) <= max(LEAST_ANSWER, window // 2)


def test_a_message_too_long_does_not_fit() -> None:
    assert not pack(100, 50, 90, []).fits
    assert pack(100, 50, 84, []).fits
