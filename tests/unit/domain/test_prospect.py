"""What those who wait are told, held against what admission then does."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.admission import Limits, Turns, Waiting, admit
from tertulia.domain.prospect import (
    RETRY_BLIND,
    Prospect,
    Queued,
    Standing,
    newcomer_wait,
    prospect,
    retry_when_busy,
    retry_when_full,
    wait_for_slot,
)

TIERS = {"a": "flex", "b": "default", "c": "priority", "d": "default"}
FULL = Limits(running=10**6, capacity=4, reserved=0.0, turn_seconds=8.0)
users = st.sampled_from(sorted(TIERS))


def standing(user: str = "me", **changes: object) -> Standing:
    fields: dict[str, object] = {
        "user_id": user,
        "tier": TIERS.get(user, "default"),
        "waits": True,
        "admitted_before": 0,
        "waiting_before": 0,
        "running": 0,
        "free": 0,
    }
    return Standing(**{**fields, **changes})  # type: ignore[arg-type]


@given(
    st.lists(users, min_size=1, max_size=40),
    st.builds(Turns, st.floats(0, 9), st.dictionaries(users, st.floats(0, 11))),
)
def test_the_place_is_what_admission_does_or_a_little_later(of: list[str], turns: Turns) -> None:
    waiting = [Waiting(f"r{n}", user, TIERS[user]) for n, user in enumerate(of)]
    everybody = Limits(running=10**6, capacity=len(waiting), reserved=0.0)
    begun = admit(waiting, {}, everybody, turns).chosen
    counts = Counter(of)
    queued = [Queued(user, TIERS[user], count) for user, count in counts.items()]
    seen: Counter[str] = Counter()
    for number, user in enumerate(of):
        stands = standing(user, waiting_before=seen[user])
        place = prospect(stands, queued, turns, FULL).place
        seen[user] += 1
        real = begun.index(f"r{number}") + 1
        # Those whose turn begins at the same moment count as before it, one each.
        assert real <= place <= real + len(counts) - 1


def test_a_hundred_messages_of_another_are_one_place() -> None:
    turns = Turns(50.0, {"a": 51.0})
    assert prospect(standing(), [Queued("a", "default", 100)], turns, FULL).place == 1
    behind = prospect(standing("a", waiting_before=99), [Queued("me", "default", 1)], turns, FULL)
    assert behind.place == 101


def test_while_slots_are_plenty_only_ones_own_stand_before() -> None:
    plenty = Limits(running=2, turn_seconds=10.0)
    queued = [Queued("a", "default", 100)]
    found = prospect(
        standing(admitted_before=1, waiting_before=2, running=2, free=500),
        queued,
        Turns(),
        plenty,
    )
    # Two run, of which one has not begun; the third end of them lets this one in.
    assert found == Prospect(4, 15.0)


def test_who_has_a_slot_waits_for_nothing_but_a_worker() -> None:
    found = prospect(standing(waits=False, admitted_before=1, running=2), (), Turns(), FULL)
    assert found == Prospect(2, 0.0)


def test_the_wait_is_what_all_slots_take_for_those_before() -> None:
    found = prospect(standing(), [Queued(u, "default", 1) for u in "abc"], Turns(), FULL)
    assert found == Prospect(4, 4 * 8.0 / 4)
    assert wait_for_slot(3, FULL) == 8.0


def test_nobody_can_tell_before_a_turn_has_ended() -> None:
    blind = Limits(capacity=1)
    assert prospect(standing(), (), Turns(), blind) == Prospect(1, None)
    assert prospect(standing(waits=False), (), Turns(), blind).wait is None
    assert newcomer_wait(standing(), (), Turns(), blind) is None


@given(st.integers(0, 500), st.integers(0, 9))
def test_work_is_refused_for_what_all_wait_for_and_not_for_ones_own_limits(
    others: int, own: int
) -> None:
    limits = Limits(running=1, capacity=10, turn_seconds=10.0)
    mine = standing(waiting_before=own, running=1)
    wait = newcomer_wait(
        mine, [Queued(f"u{n}", "default", 1) for n in range(others)], Turns(), limits
    )
    assert wait == (own + others + 1) * 10.0 / 10


@pytest.mark.parametrize(
    ("turns", "mean", "seconds"),
    [
        ([8.0, 12.0], None, 5.0),
        ([8.0, 12.0], 100.0, 5.0),
        ([], 20.0, 10.0),
        ([], None, RETRY_BLIND),
        ([0.1], None, 1.0),
        ([1000.0], None, 60.0),
    ],
)
def test_when_to_come_again_is_told_by_ones_own_pace(
    turns: list[float], mean: float | None, seconds: float
) -> None:
    assert retry_when_full(turns, Limits(running=2, turn_seconds=mean)) == seconds


@pytest.mark.parametrize(("wait", "seconds"), [(30.1, 1.0), (42.0, 12.0), (900.0, 60.0)])
def test_when_to_come_again_to_a_busy_house(wait: float, seconds: float) -> None:
    assert retry_when_busy(wait, Limits(shed_wait=30.0)) == seconds
