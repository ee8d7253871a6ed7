"""Schedules come from their seed alone."""

from __future__ import annotations

import itertools

from tests.faults.schedule import FAULTS, KINDS, ON_THE_WIRE, endless, planned, possible


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert planned(1, "nats", faults=FAULTS) == planned(1, "nats", faults=FAULTS)
    first, again = (list(itertools.islice(endless(7, "amqp"), 60)) for _ in range(2))
    assert first == again


def test_another_seed_or_kind_gives_another() -> None:
    made = {planned(seed, kind, faults=FAULTS) for seed in range(20) for kind in KINDS}
    assert len(made) == 80


def test_each_fault_comes_once() -> None:
    for seed in range(20):
        actions = planned(seed, "redis", faults=FAULTS)
        assert sorted(action.fault for action in actions) == sorted(FAULTS)


def test_an_endless_schedule_leaves_none_out() -> None:
    for store in ("postgresql", "mariadb"):
        faults = possible(store)
        drawn = itertools.islice(endless(3, "kafka", store=store), 2 * len(faults))
        assert sorted(action.fault for action in drawn) == sorted(2 * faults)


def test_what_is_seen_on_one_wire_is_not_asked_of_another() -> None:
    moments = {fault.partition("_")[2] for fault in possible("mariadb")}
    assert not moments & ON_THE_WIRE
