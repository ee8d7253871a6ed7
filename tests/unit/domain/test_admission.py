"""Fair admission."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.admission import Limits, Waiting, admit

users = st.sampled_from(["a", "b", "c", "d"])
waiting_lists = st.lists(st.tuples(users, st.sampled_from(["flex", "default", "priority"]))).map(
    lambda pairs: [Waiting(f"r{i}", user, tier) for i, (user, tier) in enumerate(pairs)]
)
running_maps = st.dictionaries(users, st.integers(0, 3))
limit_sets = st.builds(Limits, st.integers(1, 3), st.just(10), st.integers(1, 8))


@given(waiting_lists, running_maps, limit_sets)
def test_limits_hold_and_no_slot_is_left_unused(
    waiting: list[Waiting], running: dict[str, int], limits: Limits
) -> None:
    chosen = admit(waiting, running, limits)
    owner = {w.response_id: w.user_id for w in waiting}
    counts = Counter(running)
    for response_id in chosen:
        counts[owner[response_id]] += 1
        assert counts[owner[response_id]] <= limits.running
    assert len(chosen) == len(set(chosen))
    if chosen:
        assert counts.total() <= limits.capacity
    left = [w for w in waiting if w.response_id not in chosen]
    if counts.total() < limits.capacity:
        assert all(counts[w.user_id] >= limits.running for w in left)


@given(waiting_lists, running_maps, limit_sets)
def test_a_user_is_served_in_order(
    waiting: list[Waiting], running: dict[str, int], limits: Limits
) -> None:
    chosen = set(admit(waiting, running, limits))
    for user in {w.user_id for w in waiting}:
        mine = [w.response_id in chosen for w in waiting if w.user_id == user]
        assert mine == sorted(mine, reverse=True)


@given(st.integers(1, 100), st.integers(2, 8))
def test_many_messages_of_one_do_not_delay_another(many: int, capacity: int) -> None:
    waiting = [*(Waiting(f"a{i}", "a") for i in range(many)), Waiting("b0", "b")]
    chosen = admit(waiting, {}, Limits(running=capacity, capacity=capacity))
    assert chosen.index("b0") <= 1


def test_priority_gets_twice_the_turns() -> None:
    waiting = [Waiting(f"p{i}", "p", "priority") for i in range(9)]
    waiting += [Waiting(f"d{i}", "d") for i in range(9)]
    chosen = admit(waiting, {}, Limits(running=9, capacity=9))
    counts = Counter(response_id[0] for response_id in chosen)
    assert counts == {"p": 6, "d": 3}


def test_nobody_beyond_a_full_house() -> None:
    assert admit([Waiting("r", "a")], {"b": 3}, Limits(capacity=3)) == []
