"""Fair admission."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.admission import (
    TIER_WEIGHT,
    Admission,
    Limits,
    Turns,
    Waiting,
    admit,
    turn_of,
)

TIERS = ["flex", "default", "priority"]
users = st.sampled_from(["a", "b", "c", "d"])
waiting_lists = st.lists(st.tuples(users, st.sampled_from(TIERS))).map(
    lambda pairs: [Waiting(f"r{i}", user, tier) for i, (user, tier) in enumerate(pairs)]
)
running_maps = st.dictionaries(users, st.integers(0, 3))
limit_sets = st.builds(
    Limits,
    running=st.integers(1, 3),
    capacity=st.integers(1, 9),
    reserved=st.sampled_from([0.0, 0.125, 0.5]),
)
turn_sets = st.builds(Turns, st.floats(0, 9), st.dictionaries(users, st.floats(0, 11)))
#: Everybody may have all slots, and none is kept.
FREE = Limits(running=100, capacity=100, reserved=0.0)


@given(waiting_lists, running_maps, limit_sets, turn_sets)
def test_limits_hold_and_no_slot_is_left_unused(
    waiting: list[Waiting], running: dict[str, int], limits: Limits, turns: Turns
) -> None:
    chosen = admit(waiting, running, limits, turns).chosen
    owner = {w.response_id: w.user_id for w in waiting}
    counts = Counter(running)
    for response_id in chosen:
        if counts[owner[response_id]]:
            assert counts.total() < limits.capacity - limits.reserve
        counts[owner[response_id]] += 1
        assert counts[owner[response_id]] <= limits.running
    assert len(chosen) == len(set(chosen))
    if chosen:
        assert counts.total() <= limits.capacity
    left = {w.user_id for w in waiting if w.response_id not in chosen}
    if counts.total() < limits.capacity:
        assert all(counts[user] for user in left)
    if counts.total() < limits.capacity - limits.reserve:
        assert all(counts[user] >= limits.running for user in left)


@given(waiting_lists, running_maps, limit_sets, turn_sets)
def test_a_user_is_served_in_order(
    waiting: list[Waiting], running: dict[str, int], limits: Limits, turns: Turns
) -> None:
    chosen = set(admit(waiting, running, limits, turns).chosen)
    for user in {w.user_id for w in waiting}:
        mine = [w.response_id in chosen for w in waiting if w.user_id == user]
        assert mine == sorted(mine, reverse=True)


@given(waiting_lists, running_maps, limit_sets, turn_sets)
def test_turns_only_go_on_and_nobody_gets_far_ahead(
    waiting: list[Waiting], running: dict[str, int], limits: Limits, turns: Turns
) -> None:
    admission = admit(waiting, running, limits, turns)
    assert admission.now >= turns.now
    assert all(turn > turns.start(user) for user, turn in admission.moved.items())
    # So what the store keeps of a user is of no consequence after two turns of others.
    assert all(turn <= admission.now + turn_of("flex") for turn in admission.moved.values())


@dataclass
class House:
    """The store's part of it, and slots that become free as a test wants."""

    limits: Limits
    waiting: list[Waiting] = field(default_factory=list)
    running: deque[Waiting] = field(default_factory=deque)
    turns: Turns = field(default_factory=Turns)
    begun: list[Waiting] = field(default_factory=list)

    def submit(self, user: str, count: int = 1, tier: str = "default") -> None:
        made = len(self.waiting) + len(self.begun)
        self.waiting += [Waiting(f"r{made + n}", user, tier) for n in range(count)]

    def admit(self) -> None:
        counts = Counter(w.user_id for w in self.running)
        admission: Admission = admit(self.waiting, counts, self.limits, self.turns)
        by_id = {w.response_id: w for w in self.waiting}
        for response_id in admission.chosen:
            self.running.append(by_id[response_id])
            self.begun.append(by_id[response_id])
        self.waiting = [w for w in self.waiting if w.response_id not in admission.chosen]
        # What is not ahead is forgotten, as in the store.
        ahead = {**self.turns.next, **admission.moved}
        self.turns = Turns(
            admission.now, {user: turn for user, turn in ahead.items() if turn > admission.now}
        )

    def end_one(self, index: int = 0) -> None:
        self.running.rotate(-index)
        self.running.popleft()
        self.running.rotate(index)
        self.admit()


@pytest.mark.parametrize("tier", TIERS)
@given(st.integers(1, 6), st.integers(1, 100), st.integers(0, 40), st.data())
def test_many_messages_of_one_delay_another_by_one_slot_at_most(
    tier: str, capacity: int, many: int, served: int, data: st.DataObject
) -> None:
    house = House(Limits(running=capacity, capacity=capacity))
    house.submit("a", many, tier)
    house.admit()
    for _ in range(min(served, many - 1)):
        house.end_one(data.draw(st.integers(0, len(house.running) - 1)))
    house.submit("b")
    house.admit()
    if "b" not in [w.user_id for w in house.running]:
        house.end_one(data.draw(st.integers(0, len(house.running) - 1)))
    assert "b" in [w.user_id for w in house.running]


@given(st.integers(4, 40), st.integers(1, 8))
def test_a_newcomer_begins_at_once_beside_one_who_takes_all_they_can(
    capacity: int, running: int
) -> None:
    house = House(Limits(running=max(running, capacity), capacity=capacity))
    house.submit("a", 100)
    house.admit()
    assert len(house.running) == capacity - house.limits.reserve
    house.submit("b")
    house.admit()
    assert house.running[-1].user_id == "b"


@given(
    st.lists(st.sampled_from(TIERS), min_size=2, max_size=4),
    st.integers(1, 5),
    st.integers(5, 60),
    st.data(),
)
def test_over_time_everybody_has_turns_by_weight(
    tiers: list[str], capacity: int, ends: int, data: st.DataObject
) -> None:
    """The bound of Goyal, Vin and Cheng, theorem 1, from any moment on."""
    house = House(replace(FREE, capacity=capacity))
    for user, tier in enumerate(tiers):
        house.submit(str(user), 200, tier)
    house.admit()
    start = data.draw(st.integers(0, ends))
    for _ in range(ends):
        house.end_one(data.draw(st.integers(0, capacity - 1)))
    counts = Counter(w.user_id for w in house.begun[start:])
    shares = [(counts[str(user)] / TIER_WEIGHT[tier], tier) for user, tier in enumerate(tiers)]
    for one, its_tier in shares:
        for other, the_others in shares:
            assert abs(one - other) <= turn_of(its_tier) + turn_of(the_others) + 1e-9


@given(st.lists(st.tuples(users, st.sampled_from(TIERS)), max_size=60), limit_sets, st.data())
def test_nobody_starves(comers: list[tuple[str, str]], limits: Limits, data: st.DataObject) -> None:
    """Whoever keeps coming: it waits for as many turns of each other as fit into one of its own."""
    house = House(limits)
    for user in "abcd":
        house.submit(user, 10, "priority")
    house.admit()
    house.submit("late", 1, "flex")
    ended = 0
    while "late" not in [w.user_id for w in house.begun]:
        if comers:
            user, tier = comers.pop()
            house.submit(user, 1, tier)
        house.end_one(data.draw(st.integers(0, len(house.running) - 1)))
        ended += 1
        assert ended <= 4 * limits.running + 4 * 5


def test_priority_gets_twice_the_turns() -> None:
    waiting = [Waiting(f"p{i}", "p", "priority") for i in range(9)]
    waiting += [Waiting(f"d{i}", "d") for i in range(9)]
    chosen = admit(waiting, {}, replace(FREE, capacity=9), Turns()).chosen
    counts = Counter(response_id[0] for response_id in chosen)
    assert counts == {"p": 6, "d": 3}


def test_who_was_away_has_saved_nothing() -> None:
    house = House(replace(FREE, capacity=1))
    house.submit("a", 20)
    house.admit()
    for _ in range(9):
        house.end_one()
    house.submit("b", 20)
    for _ in range(8):
        house.end_one()
    assert Counter(w.user_id for w in house.begun[-8:]) == {"a": 4, "b": 4}


def test_nobody_beyond_a_full_house() -> None:
    assert admit([Waiting("r", "a")], {"b": 3}, Limits(capacity=3), Turns()).chosen == ()


@pytest.mark.parametrize(
    ("capacity", "reserved", "reserve"),
    [(1, 0.125, 0), (3, 0.5, 0), (4, 0.125, 1), (16, 0.125, 2), (512, 0.125, 64), (512, 0.0, 0)],
)
def test_the_reserve(capacity: int, reserved: float, reserve: int) -> None:
    assert Limits(capacity=capacity, reserved=reserved).reserve == reserve
