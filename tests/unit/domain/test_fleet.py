"""What workers can do together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.fleet import Fleet, Report, smoothed

seconds = st.floats(0.1, 100)


def test_nobody_is_there() -> None:
    assert Fleet.of([]) == Fleet(0, 0, None)


@given(st.lists(st.tuples(st.integers(1, 99), seconds), min_size=1, max_size=9))
def test_turns_end_at_the_rate_of_all_together(workers: list[tuple[int, float]]) -> None:
    fleet = Fleet.of(Report(str(n), *one) for n, one in enumerate(workers))
    assert (fleet.workers, fleet.slots) == (len(workers), sum(slots for slots, _ in workers))
    assert fleet.turn_seconds is not None
    rate = sum(slots / taken for slots, taken in workers)
    assert fleet.slots / fleet.turn_seconds == pytest.approx(rate)


def test_who_has_not_ended_a_turn_is_taken_to_be_like_the_others() -> None:
    fleet = Fleet.of([Report("1", 4, 6.0), Report("2", 12)])
    assert fleet == Fleet(2, 16, 6.0)
    assert Fleet.of([Report("1", 4)]) == Fleet(1, 4, None)


@given(st.lists(seconds, min_size=1))
def test_the_mean_lies_within_what_was_seen(seen: list[float]) -> None:
    mean = None
    for one in seen:
        mean = smoothed(mean, one)
    assert mean is not None
    assert min(seen) - 1e-9 <= mean <= max(seen) + 1e-9


def test_the_last_turns_count_most() -> None:
    mean: float | None = 100.0
    for _ in range(30):
        mean = smoothed(mean, 1.0)
    assert mean == pytest.approx(1.0, abs=2.0)
